"""What runs a container, as the kubelet sees it: something that starts, ends, can be stopped and measured."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from meshsim.api.core import Container, Pod
from meshsim.kit.quantities import QuantityError, parse_quantity
from meshsim.runtime.log import ContainerLog

KILLED: Final = 137
"""The exit code of a program that was killed: 128 + SIGKILL."""


@dataclass(frozen=True, slots=True)
class Exit:
    """How a container ended. `reason` is Kubernetes': Completed, Error, OOMKilled, StartError."""

    code: int
    reason: str = ""
    message: str = ""

    @property
    def why(self) -> str:
        """The reason, or what the code alone says."""
        return self.reason or ("Completed" if self.code == 0 else "Error")


@dataclass(frozen=True, slots=True)
class Usage:
    """What a container has used so far, and uses now."""

    cpu_s: float = 0.0
    memory_bytes: int = 0
    requests: int = 0
    """Of simulated ones, those it served."""
    errors: int = 0


@dataclass(frozen=True, slots=True)
class Sandbox:
    """Where the containers of a pod listen: its address, and the ports that differ from the container's own."""

    ip: str
    ports: Mapping[int, int]

    def port(self, container_port: int) -> int:
        """The port that listens for a container port."""
        return self.ports.get(container_port, container_port)


class StartRefusedError(Exception):
    """The container cannot be created as its spec stands. `reason` is Kubernetes' (ImagePullBackOff, …)."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


class RunningContainer(Protocol):
    """One run of a container, from its start to its exit."""

    @property
    def log(self) -> ContainerLog:
        """What it printed."""

    async def wait(self) -> Exit:
        """How it ended, once it has. May be asked again."""

    def update(self, pod: Pod) -> None:
        """The pod has changed."""

    async def execute(self, command: Sequence[str]) -> int:
        """The exit code of a command run inside it. Raises OSError."""

    def give_up_connections(self) -> None:
        """It will be stopped soon: let clients go elsewhere, if it can."""

    async def stop(self) -> None:
        """Ask it to end and wait until it has; it may take for ever."""

    def kill(self) -> None:
        """End it at once."""

    def usage(self) -> Usage:
        """What it used, as last measured."""


class ContainerRuntime(Protocol):
    """Starts containers."""

    async def start(self, pod: Pod, container: Container, sandbox: Sandbox) -> RunningContainer:
        """Start one. Raises StartRefusedError."""

    def is_seamless(self, container: Container) -> bool:
        """Whether one that is started again after the node's own restart is the same run of it."""


def memory_limit(container: Container) -> float:
    """The bytes a container may use: infinite without a limit that makes sense."""
    text = (container.resources.get("limits") or {}).get("memory")
    try:
        return math.inf if text is None else parse_quantity(str(text))
    except QuantityError:
        return math.inf
