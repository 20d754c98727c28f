"""Integration tests of `exec` and `attach`: real programs, asked for through an API server and a node."""

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import psutil
import pytest
import pytest_asyncio

from meshsim.api.channels import STDIN_CLOSED, V4, V5, Channel, message
from meshsim.api.decode import Object
from meshsim.api.kinds import POD
from meshsim.api.meta import Key
from meshsim.kit.clock import LoopClock
from tests.kits.cluster import Cluster, running_cluster
from tests.kits.eventually import eventually

pytestmark = [pytest.mark.integration, pytest.mark.asyncio]

UPGRADE = {"Connection": "Upgrade", "Upgrade": "SPDY/3.1", "X-Stream-Protocol-Version": V4}
PODS = "/api/v1/namespaces/default/pods"


def sleeper(name: str = "web", **container: object) -> Object:
    return {"name": name, "image": "web:v1", "command": ["sleep", "1000"], **container}


@pytest_asyncio.fixture
async def cluster() -> AsyncIterator[Cluster]:
    async with running_cluster() as cluster:
        yield cluster


@pytest_asyncio.fixture
async def http(cluster: Cluster) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(cluster.url, timeout=aiohttp.ClientTimeout(total=20)) as session:
        yield session


@dataclass
class Heard:
    """All that a program said."""

    by_channel: dict[Channel, bytes] = field(default_factory=dict)

    def __getitem__(self, channel: Channel) -> str:
        return self.by_channel.get(channel, b"").decode()

    @property
    def status(self) -> Object:
        status = json.loads(self[Channel.ERROR])
        assert isinstance(status, dict)
        return status


def path(pod: str, *command: str, verb: str = "exec", **options: str) -> str:
    words = "".join(f"&command={word}" for word in command)
    asked = "".join(f"&{name}={value}" for name, value in {"stdout": "1", "stderr": "1", **options}.items())
    return f"{PODS}/{pod}/{verb}?{(words + asked)[1:]}"


async def until_it_ends(socket: aiohttp.ClientWebSocketResponse) -> Heard:
    heard = Heard()
    async with asyncio.timeout(10):
        async for each in socket:
            channel = Channel(each.data[0])
            heard.by_channel[channel] = heard.by_channel.get(channel, b"") + each.data[1:]
    return heard


async def run(http: aiohttp.ClientSession, pod: str, *command: str, stdin: bytes = b"", **options: str) -> Heard:
    """Run a command to its end."""
    asked = {"stdin": "1", **options} if stdin else options
    async with http.ws_connect(path(pod, *command, **asked), protocols=[V5]) as socket:
        if stdin:
            await socket.send_bytes(message(Channel.STDIN, stdin))
            await socket.send_bytes(STDIN_CLOSED)
        return await until_it_ends(socket)


def seconds(number: int) -> str:
    """An argument for `sleep` that no other process has."""
    return str(os.getpid() * 1000 + number)


def programs(argument: str) -> list[psutil.Process]:
    """Those that have it among their arguments, whoever their parent is now."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.status() != psutil.STATUS_ZOMBIE and argument in process.cmdline():
                found.append(process)
    return found


async def test_a_command_runs_in_the_containers_surroundings_and_tells_its_exit_code(
    cluster: Cluster, http: aiohttp.ClientSession, tmp_path: Path
) -> None:
    environment = [{"name": "FLAVOUR", "value": "canary"}]
    await cluster.pod("web", sleeper(workingDir=str(tmp_path), env=environment))
    heard = await run(http, "web", "sh", "-c", "pwd; echo $FLAVOUR; echo problem >%262; exit 3")
    assert heard[Channel.STDOUT] == f"{tmp_path}\ncanary\n"
    assert heard[Channel.STDERR] == "problem\n"
    assert (heard.status["reason"], heard.status["details"]["causes"]) == (
        "NonZeroExitCode",
        [{"reason": "ExitCode", "message": "3"}],
    )
    assert (await run(http, "web", "true")).status["status"] == "Success"


async def test_what_a_command_reads_may_be_long_and_ends(cluster: Cluster, http: aiohttp.ClientSession) -> None:
    await cluster.pod("web", sleeper("web"), sleeper("side"))
    sent = os.urandom(1 << 20).hex().encode()
    heard = await run(http, "web", "cat", stdin=sent, container="side")
    assert heard.by_channel[Channel.STDOUT] == sent
    assert heard.status["status"] == "Success"


async def test_arguments_are_words_and_never_a_shells(cluster: Cluster, http: aiohttp.ClientSession) -> None:
    await cluster.pod("web", sleeper())
    heard = await run(http, "web", "printf", "%25s|", "$(id)", "a b", "%2A", "%3B")
    assert heard[Channel.STDOUT] == "$(id)|a b|*|;|"


async def test_a_program_that_is_not_there_is_named(cluster: Cluster, http: aiohttp.ClientSession) -> None:
    await cluster.pod("web", sleeper())
    status = (await run(http, "web", "nosuch")).status
    assert status["reason"] == "InternalError"
    assert status["message"].endswith('exec: "nosuch": executable file not found in $PATH')


async def test_a_command_on_a_terminal_has_one_and_hears_of_its_size(
    cluster: Cluster, http: aiohttp.ClientSession
) -> None:
    await cluster.pod("web", sleeper())
    asked = path("web", "sh", stdin="1", tty="1", stderr="0")
    async with http.ws_connect(asked, protocols=[V5]) as socket:
        await socket.send_bytes(message(Channel.RESIZE, b'{"Width":93,"Height":31}'))
        await socket.send_bytes(message(Channel.RESIZE, b"not a size"))
        await socket.send_bytes(message(Channel.STDIN, b"test -t 2 && stty size\necho $TERM\nexit 5\n"))
        heard = await until_it_ends(socket)
    assert "31 93\r\n" in heard[Channel.STDOUT]
    assert "xterm\r\n" in heard[Channel.STDOUT]
    assert heard.status["details"]["causes"][0]["message"] == "5"


async def test_a_command_ends_with_its_client_and_so_does_what_it_started(
    cluster: Cluster, http: aiohttp.ClientSession
) -> None:
    await cluster.pod("web", sleeper())
    async with http.ws_connect(
        path("web", "sh", "-c", f"sleep {seconds(1)} %26 setsid sleep {seconds(1)}"), protocols=[V5]
    ):
        await eventually(lambda: len(programs(seconds(1))) == 2)
    await eventually(lambda: not programs(seconds(1)))


async def test_a_client_that_goes_is_missed_though_its_program_does_not_read(
    cluster: Cluster, http: aiohttp.ClientSession
) -> None:
    await cluster.pod("web", sleeper())
    async with http.ws_connect(path("web", "sleep", seconds(2), stdin="1"), protocols=[V5]) as socket:
        for _ in range(7):
            await socket.send_bytes(message(Channel.STDIN, bytes(30_000)))
        await eventually(lambda: programs(seconds(2)))
    await eventually(lambda: not programs(seconds(2)))


async def test_a_command_ends_with_its_container(cluster: Cluster, http: aiohttp.ClientSession) -> None:
    await cluster.pod("web", sleeper(command=["sleep", seconds(3)]), restartPolicy="Never")
    async with http.ws_connect(path("web", "sleep", seconds(4)), protocols=[V5]) as socket:
        await eventually(lambda: programs(seconds(4)))
        (program,) = programs(seconds(3))
        program.kill()
        heard = await until_it_ends(socket)
    assert heard.status["details"]["causes"][0]["message"] == "137"

    async def is_refused() -> bool:
        async with http.post(path("web", "true"), headers=UPGRADE) as reply:
            assert reply.status == 400
            return bool((await reply.json())["message"] == 'container "web" of pod "web" is not running')

    await eventually(is_refused)


async def test_what_a_command_leaves_behind_does_not_hold_its_client_up(
    cluster: Cluster, http: aiohttp.ClientSession
) -> None:
    await cluster.pod("web", sleeper())
    heard = await run(http, "web", "sh", "-c", f"sleep {seconds(5)} %26 echo started")
    assert heard[Channel.STDOUT] == "started\n"
    assert programs(seconds(5)), "it goes on in the container"
    await cluster.api.delete(POD, Key("default", "web"), grace_s=0)
    await eventually(lambda: not programs(seconds(5)))


async def test_a_flood_waits_for_a_client_that_does_not_listen(cluster: Cluster, http: aiohttp.ClientSession) -> None:
    await cluster.pod("web", sleeper())
    size = f"{seconds(6)}000000"
    async with http.ws_connect(path("web", "head", "-c", size, "/dev/zero"), protocols=[V5]):
        (flood,) = await eventually(lambda: programs(size))
        written = [-1]

        async def stands_still() -> bool:
            written.append(flood.io_counters().write_chars)
            await LoopClock().sleep(0.2)
            return 0 < written[-1] == flood.io_counters().write_chars

        await eventually(stands_still, within_s=15)
        assert written[-1] < 32 << 20, "no more than what buffers hold"
    await eventually(lambda: not programs(size))


async def test_who_attaches_hears_the_program_and_is_heard(cluster: Cluster, http: aiohttp.ClientSession) -> None:
    shout = sleeper(command=[sys.executable, "-u", "-c", "for line in open(0): print(line.upper(), end='')"])
    await cluster.pod("web", shout | {"stdin": True, "stdinOnce": True}, restartPolicy="Never")
    attach = path("web", verb="attach", stdin="1")
    async with http.ws_connect(attach, protocols=[V5]) as socket:
        await socket.send_bytes(message(Channel.STDIN, b"hello\n"))
        await socket.send_bytes(STDIN_CLOSED)
        heard = await until_it_ends(socket)
    assert (heard[Channel.STDOUT], heard.status["status"]) == ("HELLO\n", "Success")
    async with http.get(f"{PODS}/web/log") as reply:
        assert await reply.text() == "HELLO\n", "it is in the log as well"


async def test_who_leaves_does_not_end_a_program_and_the_next_is_heard_on_its_terminal(
    cluster: Cluster, http: aiohttp.ClientSession
) -> None:
    await cluster.pod("web", sleeper(command=["sh"], stdin=True, tty=True))
    attach = path("web", verb="attach", stdin="1", tty="1", stderr="0")
    for word in ("one", "two"):
        async with http.ws_connect(attach, protocols=[V5]) as socket:
            await socket.send_bytes(message(Channel.STDIN, f"echo {word}$((1+1)); tty\n".encode()))
            heard = b""
            async with asyncio.timeout(10):
                while f"{word}2\r\n".encode() not in heard or b"/dev/" not in heard:
                    heard += (await socket.receive_bytes())[1:]


async def test_a_simulated_pod_has_no_inside_and_says_so(cluster: Cluster, http: aiohttp.ClientSession) -> None:
    await cluster.pod("web", {"name": "web", "image": "web:v1"})
    for verb in ("exec", "attach"):
        async with http.post(path("web", "ls", verb=verb), headers=UPGRADE) as reply:
            status = await reply.json()
        assert (reply.status, status["reason"]) == (400, "BadRequest")
        assert status["message"].startswith('container "web" of pod "web" is simulated')


@pytest.mark.parametrize(
    ("asked", "code", "message"),
    [
        (path("web", "ls", stdout="0", stderr="0"), 400, "you must specify at least 1 of stdin, stdout, stderr"),
        (path("web"), 400, "a command must be specified"),
        (path("web", "ls", container="none"), 400, "container none is not valid for pod web"),
        (path("none", "ls"), 404, 'pods "none" not found'),
        (path("web", "ls"), 400, "Upgrade request required"),
        (f"{PODS}/web/ephemeralcontainers", 404, "ephemeral containers are not emulated; try kubectl exec, or kubectl"),
    ],
)
async def test_a_request_that_makes_no_sense_is_refused_in_a_sentence(
    cluster: Cluster, http: aiohttp.ClientSession, asked: str, code: int, message: str
) -> None:
    await cluster.pod("web", sleeper())
    async with http.get(asked) as reply:
        assert reply.status == code
        assert (await reply.json())["message"].startswith(message)


async def test_a_client_that_speaks_no_protocol_of_ours_is_told_which_there_are(
    cluster: Cluster, http: aiohttp.ClientSession
) -> None:
    await cluster.pod("web", sleeper())
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await http.ws_connect(path("web", "ls"), protocols=["channel.k8s.io"])
    assert refused.value.status == 403
    async with http.ws_connect(path("web", "echo", "hi"), protocols=[V4]) as socket:
        assert (socket.protocol, (await until_it_ends(socket))[Channel.STDOUT]) == (V4, "hi\n")


async def test_only_the_api_server_may_ask_a_node_for_a_containers_inside(cluster: Cluster) -> None:
    await cluster.pod("web", sleeper())
    async with aiohttp.ClientSession(cluster.node_url) as node:
        for page in (
            "containerLogs/default/web/web",
            "exec/default/web/web",
            "attach/default/web/web",
            "portForward/default/web",
        ):
            for headers in ({}, {"Authorization": "Bearer guess"}, {"Authorization": "Basic x"}):
                async with node.get(f"/{page}", headers=headers) as reply:
                    assert (reply.status, await reply.text()) == (401, "this is for the API server alone: ask it")


async def test_a_node_is_not_asked_by_web_pages_nor_by_names_of_other_machines(cluster: Cluster) -> None:
    async with aiohttp.ClientSession(cluster.node_url) as node:
        for headers, code in (
            ({"Host": "evil.example"}, 403),
            ({"Origin": "http://evil.example"}, 403),
            ({"Host": "host.docker.internal:10250"}, 200),
            ({}, 200),
        ):
            async with node.get("/metrics", headers=headers) as reply:
                assert reply.status == code


async def test_who_follows_a_log_and_goes_leaves_nothing_behind(cluster: Cluster, http: aiohttp.ClientSession) -> None:
    await cluster.pod("web", sleeper(command=["sh", "-c", "echo up; sleep 1000"]))
    before = len(asyncio.all_tasks())
    async with http.get(f"{PODS}/web/log?follow=true") as reply:
        assert await reply.content.readline() == b"up\n"
        assert len(asyncio.all_tasks()) > before
        reply.close()
    await eventually(lambda: len(asyncio.all_tasks()) <= before)


async def test_a_container_that_waits_has_no_log_yet_and_says_why(
    cluster: Cluster, http: aiohttp.ClientSession
) -> None:
    container = {"name": "web", "image": "x:no-such"}
    body = {"metadata": {"name": "web", "namespace": "default"}, "spec": {"containers": [container]}}
    await cluster.api.create(POD, body)

    async def why() -> bool:
        async with http.get(f"{PODS}/web/log") as reply:
            assert (reply.status, (await reply.json())["message"]) == (
                400,
                'container "web" in pod "web" is waiting to start: trying and failing to pull image',
            )
        return True

    await eventually(why)
    async with http.get(f"{PODS}/web/log?previous=true") as reply:
        assert (await reply.json())["message"] == 'previous terminated container "web" in pod "web" not found'
