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

    def ask(self) -> Answer:
        """One request for my-app through the published port, which may be another after a restart."""
        connection = http.client.HTTPConnection(self.compose("port", "node", "15001").strip(), timeout=5)
        try:
            connection.request("GET", "/", headers={"Host": "my-app"})
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
