"""What runs a container, as the kubelet sees it: something that starts, ends, can be stopped and measured."""

from collections.abc import Sequence
from typing import Protocol

from meshsim.api.core import Container, Pod
from meshsim.runtime.containers.containers import Exit, Sandbox, Usage
from meshsim.runtime.containers.conversation import Inside
from meshsim.runtime.containers.log import ContainerLog


class RunningContainer(Protocol):
    """One run of a container, from its start to its exit."""

    @property
    def log(self) -> ContainerLog:
        """What it printed."""

    @property
    def exit(self) -> Exit | None:
        """How it ended; None until it has."""

    @property
    def missing(self) -> Sequence[str]:
        """What its spec asks for and it hasn't got, a sentence each."""

    @property
    def inside(self) -> Inside | None:
        """Where commands can be run; None of a simulation, which has no inside."""

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
