"""Which runtime a container gets: a program when it has a command, else a simulation."""

from typing import TYPE_CHECKING

from meshsim.api.core import Container, Pod
from meshsim.kit.clock import Clock
from meshsim.runtime.containers import Sandbox, StartRefusedError
from meshsim.runtime.images import is_pullable
from meshsim.runtime.running import RunningContainer
from meshsim.runtime.simulated import SimulatedRuntime

if TYPE_CHECKING:
    from meshsim.runtime.process import ProcessRuntime


class Runtimes:
    """Both runtimes of a node."""

    def __init__(self, clock: Clock, seed: int | None = None) -> None:
        self._clock = clock
        self._simulated = SimulatedRuntime(clock, seed)
        self._programs: ProcessRuntime | None = None

    def is_seamless(self, container: Container) -> bool:
        return not container.command

    async def start(self, pod: Pod, container: Container, sandbox: Sandbox) -> RunningContainer:
        """Start one whose image can be had. Raises StartRefusedError."""
        if not is_pullable(container.image):
            raise StartRefusedError("ImagePullBackOff", f'Back-off pulling image "{container.image}"')
        if not container.command:
            return await self._simulated.start(pod, container, sandbox)
        if self._programs is None:
            # Most nodes never run a program: what that needs is loaded when one does.
            from meshsim.runtime.process import ProcessRuntime  # noqa: PLC0415

            self._programs = ProcessRuntime(self._clock)
        return await self._programs.start(pod, container, sandbox)

    async def aclose(self) -> None:
        """End what still runs."""
        if self._programs is not None:
            await self._programs.aclose()
