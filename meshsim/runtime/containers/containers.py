"""What containers have in common, however they are run: where they listen, what they use, how they end. Pure."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from meshsim.api.core import Container
from meshsim.api.quantities import QuantityError, parse_quantity

NODE_ROOM: Final = {"cpu": "64", "memory": "256Gi"}
"""What the node says that it has."""
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
    throttled_s: float = 0.0
    """How long its CPU limit held it up."""
    read_bytes: int | None = None
    """From disks; here and below None where nobody knows."""
    written_bytes: int | None = None
    received_bytes: int | None = None
    """Over the network."""
    sent_bytes: int | None = None
    stored_bytes: int | None = None
    """In a file system of its own."""


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


def memory_limit(container: Container) -> float:
    """The bytes a container may use: infinite without a limit that makes sense."""
    return _limit(container, "memory")


def cpu_limit(container: Container) -> float:
    """The cores a container may use on average: infinite without a limit that makes sense."""
    return _limit(container, "cpu")


def _limit(container: Container, resource: str) -> float:
    text = (container.resources.get("limits") or {}).get(resource)
    try:
        limit = math.inf if text is None else parse_quantity(str(text))
    except QuantityError:
        return math.inf
    # Zero stands for no limit, as in a cluster.
    return limit if limit > 0 else math.inf
