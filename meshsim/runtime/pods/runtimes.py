"""Which runtime a container gets: a program when it has a command, else a simulation."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from meshsim.api.core import Container, Pod
from meshsim.api.meta import Key
from meshsim.client.api import Api, ApiError, NotFoundError
from meshsim.kit.clock import Clock
from meshsim.runtime.containers.containers import Sandbox, StartRefusedError
from meshsim.runtime.containers.images import is_pullable
from meshsim.runtime.containers.running import RunningContainer
from meshsim.runtime.programs.environment import Source, Sources, environment_of, sources_of, texts_of
from meshsim.runtime.simulated.simulated import SimulatedRuntime

if TYPE_CHECKING:
    from meshsim.runtime.programs.process import ProcessRuntime


class Runtimes:
    """Both runtimes of a node."""

    def __init__(self, clock: Clock, seed: int | None = None, api: Api | None = None) -> None:
        """The API is asked for ConfigMaps and Secrets; without one there are none."""
        self._clock = clock
        self._api = api
        self._simulated = SimulatedRuntime(clock, seed)
        self._programs: ProcessRuntime | None = None

    def is_seamless(self, container: Container) -> bool:
        return not container.command

    async def start(self, pod: Pod, container: Container, sandbox: Sandbox) -> RunningContainer:
        """Start one whose image can be had. Raises StartRefusedError."""
        if not is_pullable(container.image):
            raise StartRefusedError("ImagePullBackOff", f'Back-off pulling image "{container.image}"')
        sources = await self._sources(pod, container)
        if not container.command:
            if sources is not None:
                # A simulation reads no variable, but one that cannot be keeps it from starting all the same.
                environment_of(pod, container, sandbox, {}, sources)
            return await self._simulated.start(pod, container, sandbox)
        if self._programs is None:
            # Most nodes never run a program: what that needs is loaded when one does.
            from meshsim.runtime.programs.process import ProcessRuntime  # noqa: PLC0415

            self._programs = ProcessRuntime(self._clock)
        return await self._programs.start(pod, container, sandbox, sources)

    async def _sources(self, pod: Pod, container: Container) -> Sources | None:
        """What the ConfigMaps and Secrets hold that its environment comes from; None when it comes from none."""
        wanted, api = sources_of(container), self._api
        if not wanted or api is None:
            return {} if wanted else None
        found: dict[Source, Mapping[str, str]] = {}
        for source in wanted:
            try:
                obj = await api.get(source.kind, Key(pod.metadata.namespace, source.name))
            except NotFoundError:
                continue
            except ApiError as error:
                raise StartRefusedError("CreateContainerConfigError", str(error)) from None
            found[source] = texts_of(source.kind, obj)
        return found

    async def aclose(self) -> None:
        """End what still runs."""
        if self._programs is not None:
            await self._programs.aclose()
