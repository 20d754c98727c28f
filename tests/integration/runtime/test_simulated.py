"""Integration tests of a simulated pod's server, over real sockets."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
import pytest_asyncio

from meshsim.api.core import Pod
from meshsim.api.decode import decode
from meshsim.http1.fields import FieldsMemo, read_request_fields
from meshsim.kit.chance import draws
from meshsim.kit.clock import LoopClock
from meshsim.kit.tasks import TaskOwner
from meshsim.runtime.containers.containers import Exit
from meshsim.runtime.simulated.behaviour import Behaviour
from meshsim.runtime.simulated.capacity import Limits
from meshsim.runtime.simulated.simulated import Means, SimulatedContainer
from tests.kits.eventually import eventually

pytestmark = pytest.mark.asyncio(loop_factories=["asyncio", "uvloop"])

GET = b"GET /a HTTP/1.1\r\nhost: web\r\n\r\n"
LAST_GET = b"GET /last HTTP/1.1\r\nhost: web\r\nconnection: close\r\n\r\n"


class Client:
    """One connection to the pod."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def answer(self, *, has_body: bool = True) -> tuple[int, dict[str, str], Any]:
        """Status, headers and decoded body of the next answer."""
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = dict(line.split(": ", 1) for line in head[1:-2])
        body = await self.reader.readexactly(int(headers["content-length"])) if has_body else b""
        return int(head[0].split()[1]), headers, json.loads(body) if body else None

    async def is_closed_by_the_pod(self) -> bool:
        return await self.reader.read() == b""


Connect = Callable[[], AbstractAsyncContextManager[Client]]


@asynccontextmanager
async def simulated(**limits: str) -> AsyncIterator[SimulatedContainer]:
    obj = {
        "metadata": {"name": "web-1", "namespace": "default"},
        "spec": {
            "containers": [
                {
                    "name": "web",
                    "image": "web:v7",
                    "readinessProbe": {"httpGet": {"port": 1, "path": "/ok"}},
                    "resources": {"limits": limits},
                }
            ]
        },
    }
    typed = decode(Pod, obj)
    means = Means(LoopClock(), draws(1), FieldsMemo(read_request_fields))
    pod = SimulatedContainer(typed, typed.spec.containers[0], Behaviour(), means)
    yield pod
    pod.kill()
    await eventually(lambda: pod.connections == 0)


@pytest_asyncio.fixture
async def pod() -> AsyncIterator[SimulatedContainer]:
    async with simulated(memory="64Mi") as pod:
        yield pod


@pytest_asyncio.fixture
async def connect(pod: SimulatedContainer) -> Connect:
    return await connecting(pod)


async def connecting(pod: SimulatedContainer) -> Connect:
    port = await pod.listen("127.0.0.1", 0)

    @asynccontextmanager
    async def connect() -> AsyncIterator[Client]:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            yield Client(reader, writer)
        finally:
            writer.close()
            # A pod that breaks off resets the connection.
            await asyncio.gather(writer.wait_closed(), return_exceptions=True)

    return connect


async def test_an_answer_names_the_version_the_pod_and_the_path(connect: Connect) -> None:
    async with connect() as client:
        client.send(b'GET /a?x="y" HTTP/1.1\r\nhost: web\r\n\r\n')
        status, headers, body = await client.answer()
    assert (status, headers["x-version"], headers["content-type"]) == (200, "v7", "application/json")
    assert body == {"version": "v7", "pod": "web-1", "namespace": "default", "path": '/a?x="y"'}


async def test_a_connection_is_kept_and_pipelined_requests_are_answered_in_their_order(connect: Connect) -> None:
    async with connect() as client:
        client.send(b"".join(b"GET /%d HTTP/1.1\r\nhost: web\r\n\r\n" % number for number in range(50)))
        paths = [(await client.answer())[2]["path"] for _ in range(50)]
    assert paths == [f"/{number}" for number in range(50)]


async def test_answers_stay_in_their_order_when_each_takes_a_while(pod: SimulatedContainer, connect: Connect) -> None:
    pod.behave(Behaviour(latency_p50_s=0.002, latency_p99_s=0.02))
    async with connect() as client:
        client.send(b"".join(b"GET /%d HTTP/1.1\r\nhost: web\r\n\r\n" % number for number in range(10)))
        paths = [(await client.answer())[2]["path"] for _ in range(10)]
    assert paths == [f"/{number}" for number in range(10)]


@pytest.mark.parametrize("step", [1, 7, 1000])
async def test_bodies_are_read_and_dropped_however_they_are_cut(connect: Connect, step: int) -> None:
    requests = (
        b"POST /sized HTTP/1.1\r\nhost: web\r\ncontent-length: 5\r\n\r\nGET /"
        b"POST /chunked HTTP/1.1\r\nhost: web\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
        b"POST /empty HTTP/1.1\r\nhost: web\r\ncontent-length: 0\r\n\r\n" + GET
    )
    async with connect() as client:
        for start in range(0, len(requests), step):
            client.send(requests[start : start + step])
            await client.writer.drain()
        paths = [(await client.answer())[2]["path"] for _ in range(4)]
    assert paths == ["/sized", "/chunked", "/empty", "/a"]


async def test_a_head_request_gets_the_head_alone(connect: Connect) -> None:
    async with connect() as client:
        client.send(b"HEAD /a HTTP/1.1\r\nhost: web\r\n\r\n" + GET)
        status, headers, _ = await client.answer(has_body=False)
        assert (status, int(headers["content-length"]) > 0) == (200, True)
        assert (await client.answer())[2]["path"] == "/a"


async def test_a_client_that_waits_to_be_told_to_send_its_body_is_told(connect: Connect) -> None:
    async with connect() as client:
        client.send(b"POST /a HTTP/1.1\r\nhost: web\r\ncontent-length: 5\r\nexpect: 100-continue\r\n\r\n")
        assert await client.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.send(b"hello")
        assert (await client.answer())[0] == 200


@pytest.mark.parametrize(
    ("request_", "closes"),
    [
        (LAST_GET, True),
        (b"GET / HTTP/1.0\r\n\r\n", True),
        (b"GET / HTTP/1.0\r\nconnection: keep-alive\r\n\r\n", False),
    ],
    ids=["close", "HTTP/1.0", "HTTP/1.0 keep-alive"],
)
async def test_a_connection_closes_when_the_client_asked_for_it(
    connect: Connect, request_: bytes, closes: bool
) -> None:
    async with connect() as client:
        client.send(request_)
        _, headers, _ = await client.answer()
        assert headers["connection"] == ("close" if closes else "keep-alive")
        if closes:
            assert await client.is_closed_by_the_pod()


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nhost : web\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\ncontent-length: x\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n", 400),
        (b"GET / HTTP/1.1\r\nx: " + b"y" * 70_000, 431),
    ],
    ids=["nonsense", "bad name", "bad length", "bad chunk", "endless head"],
)
async def test_what_is_no_http_is_refused_and_the_connection_closed(
    connect: Connect, request_: bytes, status: int
) -> None:
    async with connect() as client:
        client.send(request_)
        assert (await client.reader.readline()).split()[1] == str(status).encode()


async def test_a_client_that_leaves_takes_its_answer_with_it(pod: SimulatedContainer, connect: Connect) -> None:
    pod.behave(Behaviour(latency_p50_s=30))
    async with connect() as client:
        client.send(GET)
        await eventually(lambda: pod.requests == 1)
    await eventually(lambda: pod.connections == 0)


async def test_a_client_that_does_not_read_is_not_read_from(pod: SimulatedContainer, connect: Connect) -> None:
    async with connect() as client:
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]
        client.send(GET * 200_000)
        served = -1

        async def stands_still() -> bool:
            nonlocal served
            before, served = served, pod.requests
            return before == served > 0

        await eventually(stands_still)
        assert served < 200_000


async def test_the_requests_served_are_counted_with_their_cpu_but_not_the_health_checks(
    pod: SimulatedContainer, connect: Connect
) -> None:
    pod.behave(Behaviour(cpu_per_request_s=0.25))
    async with connect() as client:
        for path in (b"/a", b"/healthz", b"/ok?full", b"/b"):
            client.send(b"GET %b HTTP/1.1\r\nhost: web\r\n\r\n" % path)
            await client.answer()
    assert (pod.requests, pod.cpu_s, pod.errors) == (2, 0.5, 0)


async def test_a_failing_pod_answers_errors_and_only_an_unhealthy_one_fails_its_health_checks(
    pod: SimulatedContainer, connect: Connect
) -> None:
    pod.behave(replace(pod.behaviour, error_rate=1.0, error_code=503))
    async with connect() as client:
        client.send(GET)
        assert (await client.answer())[0] == 503
        client.send(b"GET /ok HTTP/1.1\r\nhost: web\r\n\r\n")
        assert (await client.answer())[0] == 200
        pod.behave(replace(pod.behaviour, healthy=False))
        client.send(b"GET /ok HTTP/1.1\r\nhost: web\r\n\r\n")
        assert (await client.answer())[0] == 503
    assert (pod.requests, pod.errors) == (1, 1)


async def test_a_pod_that_gives_up_its_connections_serves_on_and_closes_each_with_an_answer(
    pod: SimulatedContainer, connect: Connect
) -> None:
    async with connect() as kept:
        kept.send(GET)
        assert "connection" not in (await kept.answer())[1]
        pod.give_up_connections()
        kept.send(GET)
        assert (await kept.answer())[1]["connection"] == "close"
        assert await kept.is_closed_by_the_pod()
    async with connect() as new:
        new.send(GET)
        assert (await new.answer())[1]["connection"] == "close"


async def test_a_pod_that_finishes_closes_idle_connections_and_waits_for_requests_in_flight(
    pod: SimulatedContainer, connect: Connect
) -> None:
    async with connect() as idle, connect() as busy, TaskOwner() as tasks:
        idle.send(GET)
        await idle.answer()
        pod.behave(Behaviour(latency_p50_s=0.2))
        busy.send(GET)
        await eventually(lambda: pod.requests == 2)
        finish = tasks.start(pod.stop(), "finish")
        assert await idle.is_closed_by_the_pod()
        assert not finish.done()
        assert (await busy.answer())[0] == 200
        await eventually(finish.done)
        with pytest.raises(OSError, match="Connect"):
            async with connect():
                pass


async def test_a_pod_that_is_killed_breaks_off(pod: SimulatedContainer, connect: Connect) -> None:
    pod.behave(Behaviour(latency_p50_s=30))
    async with connect() as client:
        client.send(GET)
        await eventually(lambda: pod.requests == 1)
        pod.kill()
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await client.answer()


async def test_requests_beyond_the_capacity_wait_in_line_and_those_beyond_the_queue_are_refused(
    pod: SimulatedContainer, connect: Connect
) -> None:
    # Nothing ends while this test runs, however slow the machine: the first is served, the second stands in line.
    pod.behave(Behaviour(latency_p50_s=1000, limits=Limits(concurrency=1, queue=1)))
    async with connect() as first, connect() as second, connect() as third, TaskOwner() as tasks:
        for client, served in ((first, 1), (second, 2)):
            client.send(GET)
            await eventually(lambda wanted=served: pod.requests == wanted)  # type: ignore[misc]
        waiting = [tasks.start(client.answer(), "answer") for client in (first, second)]
        third.send(GET)
        assert (await third.answer())[0] == 503
        assert (pod.errors, [answer.done() for answer in waiting]) == (1, [False, False])


async def test_a_container_that_crashes_takes_its_connections_with_it(
    pod: SimulatedContainer, connect: Connect
) -> None:
    pod.behave(Behaviour(crash_after=2))
    async with connect() as client:
        client.send(GET)
        assert (await client.answer())[0] == 200
        client.send(GET)
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await client.answer()
    assert await pod.wait() == Exit(1, message="crashed after 2 requests")


@pytest.mark.parametrize(("cost_s", "throttled"), [(0.04, False), (0.2, True)])
async def test_a_container_that_wants_more_cpu_than_its_limit_keeps_its_clients_waiting(
    cost_s: float, throttled: bool
) -> None:
    # Half a core: 50 ms of CPU in a tenth of a second cost nobody any time.
    async with simulated(cpu="500m") as pod:
        pod.behave(Behaviour(cpu_per_request_s=cost_s))
        connect = await connecting(pod)
        async with connect() as client:
            started = time.monotonic()
            client.send(GET)
            await client.answer()
            took_s = time.monotonic() - started
        assert (pod.usage().throttled_s > 0.0, pod.cpu_s) == (throttled, cost_s)
        assert not throttled or took_s >= 0.3 - 0.001


async def test_what_is_received_and_sent_is_counted(connect: Connect, pod: SimulatedContainer) -> None:
    async with connect() as client:
        client.send(GET)
        head = await client.reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r")[0])
        body = await client.reader.readexactly(length)
    usage = pod.usage()
    assert (usage.received_bytes, usage.sent_bytes) == (len(GET), len(head) + len(body))


async def test_a_container_that_leaks_beyond_its_limit_is_killed(connect: Connect, pod: SimulatedContainer) -> None:
    pod.behave(Behaviour(memory_bytes=50 * 2**20, memory_per_request_bytes=2**20))
    async with connect() as client:
        for _ in range(14):
            client.send(GET)
            await client.answer()
        assert pod.usage().memory_bytes == 64 * 2**20
        client.send(GET)
        assert (await pod.wait()).why == "OOMKilled"
