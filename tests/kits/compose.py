"""The topology of docker-compose.yml on a real engine, under a project name and on ports of its own."""

import http.client
import json
import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from tests.kits.kubectl import KUBECTL

_REPOSITORY: Final = Path(__file__).resolve().parents[2]
_PORTS: Final = ("", "_API", "_DASHBOARD", "_ADMIN", "_STATS", "_LOCUST", "_PROMETHEUS")


def compose_command() -> list[str]:
    """`docker compose`, or the older `docker-compose`; skips the test where neither finds an engine."""
    for command in (["docker", "compose"], ["docker-compose"]):
        if _succeeds(*command, "version") and _succeeds("docker", "info"):
            return command
    pytest.skip("no container engine: neither `docker compose` nor `docker-compose` finds one")


def _succeeds(*command: str) -> bool:
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


@dataclass(frozen=True)
class Answer:
    """What the proxy answered."""

    status: int
    version: str


class Composed:
    """The running containers."""

    def __init__(self, command: Sequence[str], env: dict[str, str]) -> None:
        self._command = command
        self._env = env

    def compose(self, *arguments: str) -> str:
        """Run a compose command; returns what it printed. Fails the test with its output when it fails."""
        run = subprocess.run(
            [*self._command, *arguments], cwd=_REPOSITORY, env=self._env, capture_output=True, text=True, check=False
        )
        assert run.returncode == 0, f"compose {' '.join(arguments)}:\n{run.stdout}\n{run.stderr}"
        return run.stdout

    def meshsim(self, *arguments: str) -> str:
        """Run a meshsim command inside."""
        return self.compose("exec", "-T", "controller", "meshsim", *arguments)

    def inspect(self, service: str) -> dict[str, Any]:
        """What the engine knows of a service's container."""
        container = self.compose("ps", "-q", service).strip()
        run = subprocess.run(["docker", "inspect", container], env=self._env, capture_output=True, check=True)
        found: list[dict[str, Any]] = json.loads(run.stdout)
        return found[0]

    def health(self, service: str) -> str:
        """What the engine says of its container: starting, healthy or unhealthy."""
        return str(self.inspect(service)["State"]["Health"]["Status"])

    def ask(self) -> Answer:
        """One request for my-app through the published port, which may be another after a restart."""
        return ask(self.compose("port", "node", "15001").strip(), "my-app")

    def read(self, url: str) -> str:
        """What a page says to another container."""
        script = f"import urllib.request as u; print(u.urlopen({url!r}, timeout=5).read().decode())"
        return self.compose("exec", "-T", "controller", "python", "-c", script)


class Kubectl:
    """The kubectl of this machine, through the port that the API is published at."""

    def __init__(self, mesh: Composed, directory: Path) -> None:
        if not KUBECTL:
            pytest.skip("no kubectl on this machine")
        server = f"https://{mesh.compose('port', 'apiserver', '6443').strip()}"
        file = directory / "kubeconfig"
        file.write_text(mesh.meshsim("kubeconfig", "--raw", "--server", server))
        self._env = {**os.environ, "KUBECONFIG": str(file), "HOME": str(directory)}

    def __call__(self, *arguments: str, stdin: str = "") -> "subprocess.CompletedProcess[str]":
        """Run it to its end."""
        command = [KUBECTL, *arguments]
        return subprocess.run(
            command, env=self._env, input=stdin, capture_output=True, text=True, timeout=60, check=False
        )

    @contextmanager
    def forwarding(self, pod: str, port: int) -> Iterator[str]:
        """A port of a pod, forwarded until the block ends; where, as `host:port`."""
        command = [KUBECTL, "port-forward", pod, f":{port}"]
        with subprocess.Popen(command, env=self._env, stdout=subprocess.PIPE, text=True) as process:
            try:
                assert process.stdout is not None
                yield process.stdout.readline().removeprefix("Forwarding from ").partition(" ")[0]
            finally:
                process.terminate()


def ask(address: str, host: str) -> Answer:
    """One request to an address."""
    connection = http.client.HTTPConnection(address, timeout=5)
    try:
        connection.request("GET", "/", headers={"Host": host})
        reply = connection.getresponse()
        reply.read()
        return Answer(reply.status, reply.getheader("x-version") or "")
    finally:
        connection.close()


@contextmanager
def composed(speed: int) -> Iterator[Composed]:
    """Build and start everything, on a clock that runs `speed` times as fast; gone without a trace at the end."""
    now = time.time_ns() / 1e9
    env = {
        **os.environ,
        "COMPOSE_PROJECT_NAME": f"meshsim-test-{os.getpid()}",
        "MESHSIM_CLOCK": f"{now},{now},{speed}",
        **{f"MESHSIM{name}_PORT": "0" for name in _PORTS},
    }
    mesh = Composed(compose_command(), env)
    try:
        # One image serves every plane.
        mesh.compose("--profile", "load", "build", "apiserver", "load")
        mesh.compose("up", "-d", "--no-build")
        yield mesh
    finally:
        mesh.compose("down", "--volumes", "--remove-orphans")


@contextmanager
def contained(*arguments: str, options: Sequence[str]) -> Iterator[str]:
    """A container of the image that `composed` built; its id. Gone without a trace at the end."""
    ran = subprocess.run(
        ["docker", "run", "--detach", *options, "meshsim", *arguments], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    container = ran.stdout.strip()
    try:
        yield container
    finally:
        subprocess.run(["docker", "rm", "--force", "--volumes", container], capture_output=True, check=True)


def docker(*arguments: str) -> str:
    """Run a docker command; what it printed."""
    ran = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, f"docker {' '.join(arguments)}:\n{ran.stdout}\n{ran.stderr}"
    return ran.stdout
