"""Configuration from a Kubernetes API, which is watched."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from meshsim.api.core import SERVICE_NAME_LABEL
from meshsim.api.decode import FieldError, Object, decode
from meshsim.api.kinds import DESTINATION_RULE, ENDPOINT_SLICE, POD, SERVICE, VIRTUAL_SERVICE, Kind
from meshsim.api.lag import Lags
from meshsim.api.meta import HasMeta, Key, selects
from meshsim.client.api import ListerWatcher
from meshsim.client.informer import Change, Informer
from meshsim.kit.clock import Clock, LoopClock
from meshsim.kit.tasks import TaskOwner
from meshsim.mesh.compile import MeshObjects
from meshsim.proxy.configuration.objects import MESH_TYPES, mesh_objects
from meshsim.proxy.configuration.push import Push
from meshsim.proxy.configuration.settling import HOLD_AT_MOST_S, Settling

OnChange = Callable[[], None]
Warn = Callable[[str], None]

_HOP_OF: Final[dict[Kind, str]] = {VIRTUAL_SERVICE: "vs", DESTINATION_RULE: "dr"}


class ApiSource:
    """Watches a Kubernetes API. An object that cannot be read is said once and left out."""

    def __init__(
        self, api: ListerWatcher, on_change: OnChange, warn: Warn, lags: Lags | None = None, clock: Clock | None = None
    ) -> None:
        """The lags are those of PROXY_HOPS, on that clock; without them nothing is late."""
        lags, clock = lags or Lags(), clock or LoopClock()
        self._on_change = on_change
        self._warn = warn
        self._informers = {kind: Informer(api, kind) for kind in MESH_TYPES}
        self._known: dict[Kind, dict[Key, Any]] = {kind: {} for kind in MESH_TYPES}
        """The objects that have reached the proxy, as they were read."""
        self._pushes: list[Push] = []
        self._switched: set[Key] = set()
        """Services whose selector changed and whose endpoints may still be those of the old one."""
        self._settling = Settling()
        for kind, informer in self._informers.items():
            changed = partial(self._changed, kind)
            if kind in _HOP_OF:
                self._pushes.append(Push(informer, _HOP_OF[kind], lags, clock, changed))
            else:
                informer.on_change(changed)

    def _changed(self, kind: Kind, change: Change) -> None:
        if not _matters(kind, change):
            return
        if kind is SERVICE and change.old and change.new and _selector(change.old) != _selector(change.new):
            self._switched.add(change.key)
        read = None if change.new is None else self._read(kind, change.new)
        if read is None:
            self._known[kind].pop(change.key, None)
        else:
            self._known[kind][change.key] = read
        self._on_change()

    def _is_behind(self, key: Key) -> bool:
        """An endpoint of the Service is a pod that its selector doesn't select."""
        service = self._informers[SERVICE].get(key)
        if service is None:
            return False
        selector, pods = _selector(service), self._informers[POD]
        targets = (
            endpoint.get("targetRef") or {}
            for one in self._informers[ENDPOINT_SLICE].all()
            if one["metadata"].get("namespace") == key.namespace
            and (one["metadata"].get("labels") or {}).get(SERVICE_NAME_LABEL) == key.name
            for endpoint in one.get("endpoints") or ()
        )
        found = (pods.get(Key(key.namespace, target.get("name") or "")) for target in targets)
        return any(pod is not None and not selects(selector, pod["metadata"].get("labels") or {}) for pod in found)

    def start(self, tasks: TaskOwner) -> None:
        """Follow the API for ever."""
        for kind, informer in self._informers.items():
            tasks.start(informer.run(), f"watch {kind.plural}")
        for push in self._pushes:
            tasks.start(push.run(), f"push by {push.hop}")

    async def synced(self) -> None:
        """Wait until everything was listed once."""
        for informer in self._informers.values():
            await informer.synced.wait()

    def objects(self) -> MeshObjects:
        """What has reached the proxy, weights not before the endpoints they were chosen for."""
        self._switched = {key for key in self._switched if self._is_behind(key)}
        loop = asyncio.get_running_loop()
        in_force = self._settling.settle(self._known[VIRTUAL_SERVICE], self._switched, loop.time())
        if self._settling.holds:
            loop.call_later(HOLD_AT_MOST_S, self._on_change)
        by_kind = {kind: known.values() for kind, known in self._known.items()}
        return mesh_objects({**by_kind, VIRTUAL_SERVICE: in_force.values()})

    def _read(self, kind: Kind, obj: Object) -> HasMeta | None:
        try:
            read: HasMeta = decode(MESH_TYPES[kind], obj)
        except FieldError as error:
            self._warn(f"{kind} {obj['metadata'].get('namespace')}/{obj['metadata']['name']} is left out: {error}")
            return None
        return read


def _matters(kind: Kind, change: Change) -> bool:
    """Whether routing can depend on it. Of a pod only what names it and its version does, not how it is."""
    old, new = change.old, change.new
    if kind is not POD or old is None or new is None:
        return True
    names = any(old["metadata"].get(part) != new["metadata"].get(part) for part in ("labels", "ownerReferences"))
    return names or old.get("spec") != new.get("spec")


def _selector(service: Object) -> dict[str, str]:
    selector: dict[str, str] = (service.get("spec") or {}).get("selector") or {}
    return selector
