"""The oldest and the newest kubectl that is installed, with running pods: commands, terminals, files, ports, logs."""

import asyncio
import contextlib
import os
import pty
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from meshsim.api.decode import Object
from tests.kits.apiserver import secured_apiserver
from tests.kits.eventually import eventually
from tests.kits.kubectl import Kubectl, needs_kubectl, oldest_and_newest
from tests.kits.processes import serving

pytestmark = [pytest.mark.asyncio, needs_kubectl]
SERVER = "import http.server, os; http.server.test(http.server.SimpleHTTPRequestHandler, bind=os.environ['HOST'])"


@pytest_asyncio.fixture(params=oldest_and_newest(), ids=lambda path: Path(path).name)
async def kubectl(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Kubectl]:
    """A kubectl, an API server and a node."""
    async with secured_apiserver(tmp_path / "data") as server:
        flags = ("--kubeconfig", str(server.kubeconfig), "--port", "0", "--drain", "0s")
        with serving("meshsim.runtime", *flags):
            yield Kubectl(server, tmp_path, request.param)


def pod(name: str, *containers: Object, **spec: object) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {"terminationGracePeriodSeconds": 1, "containers": [*containers], **spec},
    }


def container(name: str, *command: str, **more: object) -> Object:
    return {"name": name, "image": "web:v1", "command": [*command], **more}


async def applied(kubectl: Kubectl, *pods: Object) -> None:
    await kubectl("apply", "-f", "-", stdin={"apiVersion": "v1", "kind": "List", "items": [*pods]})
    names = [f"pod/{each['metadata']['name']}" for each in pods]
    await kubectl("wait", "--for=condition=Ready", *names, "--timeout=20s")


async def on_a_terminal(kubectl: Kubectl, *arguments: str, typed: bytes) -> tuple[int, str]:
    """The exit code of a command at a terminal where something is typed, and what the terminal showed."""
    near, far = pty.openpty()
    shown = b""
    try:
        async with kubectl.at_terminal(far, *arguments) as process:
            os.close(far)
            os.set_blocking(near, False)

            def shows(what: bytes) -> bool:
                nonlocal shown
                with contextlib.suppress(OSError):
                    while more := os.read(near, 65536):
                        shown += more
                return what in shown

            await eventually(lambda: shows(b"$ ") or shows(b"# "), within_s=20)
            os.write(near, typed)
            async with asyncio.timeout(20):
                code = await process.wait()
            shows(b"")
    finally:
        os.close(near)
    return code, shown.decode()


async def test_commands_run_in_containers(kubectl: Kubectl) -> None:
    await applied(kubectl, pod("web", container("web", "sleep", "1000"), container("side", "sleep", "1000")))
    ran = await kubectl.run("exec", "web", "-c", "side", "--", "sh", "-c", "echo out; echo err >&2; exit 3")
    assert (ran.code, ran.out) == (3, "out\n")
    assert ran.err == "err\ncommand terminated with exit code 3\n"
    assert await kubectl("exec", "-i", "web", "-c", "web", "--", "cat", stdin={"a": 1}) == '{"a": 1}'
    labels = {"app": "web"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container("web", "true")]}}
    spec = {"replicas": 0, "selector": {"matchLabels": labels}, "template": template}
    deployment = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "of-web"}, "spec": spec}
    await kubectl("create", "-f", "-", stdin=deployment)
    assert await kubectl("exec", "deploy/of-web", "-c", "side", "--", "echo", "hi") == "hi\n"
    missing = await kubectl.run("exec", "web", "-c", "web", "--", "nosuch")
    assert missing.code != 0
    assert 'exec: "nosuch": executable file not found in $PATH' in missing.err
    await applied(kubectl, pod("sim", {"name": "web", "image": "web:v1"}))
    simulated = await kubectl.run("exec", "sim", "--", "ls")
    assert simulated.err.startswith('Error from server (BadRequest): container "web" of pod "sim" is simulated')


async def test_a_shell_is_used_at_a_terminal(kubectl: Kubectl) -> None:
    await applied(kubectl, pod("web", container("web", "sleep", "1000")))
    code, shown = await on_a_terminal(
        kubectl, "exec", "-it", "web", "--", "sh", typed=b"test -t 0 && echo tty$((3*3)); exit 6\n"
    )
    assert code == 6
    assert "tty9" in shown


async def test_files_are_copied_both_ways(kubectl: Kubectl, tmp_path: Path) -> None:
    await applied(kubectl, pod("web", container("web", "sleep", "1000")))
    (tmp_path / "out").write_bytes(os.urandom(2_000_000))
    await kubectl("cp", str(tmp_path / "out"), f"web:{tmp_path}/there")
    await kubectl("cp", f"web:{tmp_path}/there", str(tmp_path / "back"))
    assert (tmp_path / "back").read_bytes() == (tmp_path / "out").read_bytes()


async def test_a_program_is_run_attached_to_and_its_exit_code_is_kubectls(kubectl: Kubectl) -> None:
    flags = ("-i", "--rm", "--restart=Never", "--image=x", "--command", "--")
    ran = await kubectl.run("run", "once", *flags, "sh", "-c", "read line; echo got $line; exit 5", stdin={})
    assert (ran.code, ran.out.splitlines()[0]) == (5, "got {}")
    echoed = await kubectl.run("run", "brief", *flags, "echo", "hi")
    assert (echoed.code, echoed.out.splitlines()[0]) == (0, "hi")
    assert await kubectl("get", "pods", "-o", "name") == ""


async def test_several_ports_are_forwarded_until_the_pod_is_gone(kubectl: Kubectl, tmp_path: Path) -> None:
    (tmp_path / "page").write_bytes(b"x" * 500_000)
    probe = {"tcpSocket": {"port": 8000}, "periodSeconds": 1}
    server = container("web", sys.executable, "-c", SERVER, workingDir=str(tmp_path), readinessProbe=probe)
    await applied(kubectl, pod("web", server))
    async with kubectl.started("port-forward", "pod/web", ":8000", ":8000") as forwarding:
        assert forwarding.stdout is not None
        assert forwarding.stderr is not None
        ports: list[str] = []
        while len(set(ports)) < 2:
            async with asyncio.timeout(20):
                ports.append((await forwarding.stdout.readline()).decode().split(" -> ")[0].rpartition(":")[2])
        for port in set(ports):
            reader, writer = await asyncio.open_connection("127.0.0.1", int(port))
            writer.write(b"GET /page HTTP/1.0\r\n\r\n")
            async with asyncio.timeout(20):
                assert (await reader.read(-1)).endswith(b"x" * 500_000)
            writer.close()
        await kubectl("delete", "pod", "web")
        reader, writer = await asyncio.open_connection("127.0.0.1", int(ports[0]))
        async with asyncio.timeout(20):
            assert b"cannot reach port 8000" in await forwarding.stderr.readline()
        writer.close()


async def test_a_log_is_followed_to_the_end_of_its_container(kubectl: Kubectl) -> None:
    await applied(kubectl, pod("web", container("web", "sh", "-c", "while sleep 0.1; do echo tick; done")))
    async with kubectl.started("logs", "-f", "web") as following:
        assert following.stdout is not None
        async with asyncio.timeout(20):
            assert await following.stdout.readline() == b"tick\n"
            await kubectl("delete", "pod", "web", "--now")
            await following.communicate()
        assert following.returncode == 0


async def test_what_is_not_emulated_is_said(kubectl: Kubectl) -> None:
    await applied(kubectl, pod("web", container("web", "sleep", "1000")))
    debugged = await kubectl.run("debug", "web", "--image=busybox")
    assert debugged.code == 1
    assert "ephemeral containers are not emulated; try kubectl exec" in debugged.err
