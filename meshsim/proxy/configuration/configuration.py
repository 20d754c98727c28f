"""Publishing: changes are gathered for a moment, compiled into a snapshot and put in force whole."""

import asyncio
import socket
import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Final

from meshsim.api.networking import ServiceEntry
from meshsim.kit.clock import LoopClock
from meshsim.kit.durations import DurationError
from meshsim.kit.errors import InvalidManifestError
from meshsim.kit.tasks import TaskOwner
from meshsim.mesh.clusters import ClusterPlan
from meshsim.mesh.compile import Compiler, MeshObjects, ProxySpec, Snapshot
from meshsim.mesh.endpoints import dns_names
from meshsim.mesh.steps import Steps, finished
from meshsim.proxy.slices import Slices

STAYS: Final = "the configuration before this change stays in force"
_QUIET_S: Final = 0.03
_GATHER_AT_MOST_S: Final = 0.045
_RESOLVE_EVERY_S: Final = 5.0
_FEW: Final = 200
"""So many VirtualServices and pods are looked at by the collector sooner than it is told not to."""

_TLS_MODES: Final = frozenset(("SIMPLE", "MUTUAL"))

Publish = Callable[[Snapshot], None]


def warn(sentence: str) -> None:
    """Say something on standard error that a person should know."""
    print(f"meshsim proxy: {sentence}", file=sys.stderr, flush=True)  # noqa: T201 - people read this


class Publisher:
    """Turns the latest objects into the snapshot in force."""

    def __init__(
        self,
        spec: ProxySpec,
        publish: Publish,
        tasks: TaskOwner,
        to_stay: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        """`to_stay` surrounds the making of the first snapshot and of every large one: they stay for long."""
        self._publish = publish
        self._tasks = tasks
        self._to_stay = to_stay
        self._objects: Callable[[], MeshObjects] = MeshObjects
        self._resolved: dict[str, tuple[str, ...]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._publish_by_s = 0.0
        self._entries: tuple[ServiceEntry, ...] = ()
        self._names: set[str] = set()
        self._told: set[str] = set()
        self._clusters: Mapping[str, ClusterPlan] = {}
        self._compiler = Compiler(spec)
        self._slices = Slices(asyncio.get_running_loop())
        self._building: Steps[None] | None = None
        self._is_behind = False

    def follow(self, objects: Callable[[], MeshObjects]) -> None:
        """Take the objects from there from now on. Raises InvalidManifestError when they cannot be compiled."""
        self._objects = objects
        self.publish()

    def changed(self) -> None:
        """Something changed: publish once nothing has changed for a moment, and soon in any case.

        What changes together comes into force together, as istiod's debouncing has it: a weight that arrives a
        few milliseconds before the endpoints that were chosen with it would send requests to nobody. What cannot
        be compiled is said, and the configuration before it stays in force.
        """
        loop = asyncio.get_running_loop()
        if self._timer is None:
            self._publish_by_s = loop.time() + _GATHER_AT_MOST_S
        else:
            self._timer.cancel()
        self._timer = loop.call_at(min(loop.time() + _QUIET_S, self._publish_by_s), self.changed_together)

    def changed_together(self) -> None:
        """Everything that changes together has changed: publish at once.

        What cannot be compiled is said, and the configuration before it stays in force.
        """
        self._stop_waiting()
        # What is being compiled already is from before this change.
        self._is_behind = True
        if self._building is None:
            self._building = self._catch_up()
            self._slices.start(self._building)

    def _catch_up(self) -> Steps[None]:
        """Compile and put in force until nothing changed meanwhile."""
        while self._is_behind:
            self._is_behind = False
            try:
                yield from self._build()
            except InvalidManifestError as error:
                warn(f"{error} ({STAYS})")
        self._building = None

    def publish(self) -> None:
        """Compile and put in force, now. Raises InvalidManifestError."""
        self._stop_waiting()
        if self._building is not None:
            self._building.close()
            self._building, self._is_behind = None, False
        finished(self._build())

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _build(self) -> Steps[None]:
        objects = self._objects()
        if objects.service_entries != self._entries:
            self._entries = objects.service_entries
            names = dns_names(self._entries)
            if names != self._names:
                self._names = names
                self._tasks.start(self._resolve(names), "resolve")
        few = bool(self._clusters) and len(objects.virtual_services) + len(objects.pods) <= _FEW
        with nullcontext() if few else self._to_stay():
            try:
                snapshot = yield from self._compiler.compile(replace(objects, resolved=self._resolved))
            except DurationError as error:
                raise InvalidManifestError(str(error)) from None
            if snapshot.clusters is not self._clusters:
                self._clusters = snapshot.clusters
                self._say_what_is_not_emulated(snapshot.clusters.values())
            self._publish(snapshot)

    def _say_what_is_not_emulated(self, plans: Iterable[ClusterPlan]) -> None:
        asks = {plan.service.host: plan.tls_mode for plan in plans if plan.tls_mode in _TLS_MODES}
        for host in sorted(asks.keys() - self._told):
            self._told.add(host)
            warn(f"a DestinationRule asks for tls {asks[host]} to {host}: not emulated, it is sent plain text")

    async def resolve_again(self) -> None:
        """Keep the addresses of DNS names fresh, for ever."""
        clock = LoopClock()
        while True:
            await clock.sleep(_RESOLVE_EVERY_S)
            await self._resolve(self._names)

    async def _resolve(self, names: set[str]) -> None:
        loop = asyncio.get_running_loop()
        found_now = dict(self._resolved)
        for name in sorted(names):
            try:
                found = await loop.getaddrinfo(name, None, family=socket.AF_INET, type=socket.SOCK_STREAM)
            except OSError:
                continue
            found_now[name] = tuple(sorted({str(address[4][0]) for address in found}))
        if self._resolved != found_now:
            # Another mapping, not a changed one: a snapshot is made of it.
            self._resolved = found_now
            self.changed()
