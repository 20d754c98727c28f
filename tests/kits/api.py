"""The API without sockets: the real store and its rules behind the Api protocol, on a clock that tests advance."""

from collections.abc import AsyncIterator, Sequence

from meshsim.api.decode import Object, read_json, write_json
from meshsim.api.kinds import Kind
from meshsim.api.meta import Key
from meshsim.apiserver.eviction import evict
from meshsim.apiserver.kinds.schemas import load_schemas
from meshsim.apiserver.kinds.served import SERVED
from meshsim.apiserver.registry import Registry, WriteOptions
from meshsim.apiserver.storage.selection import selection_of
from meshsim.apiserver.storage.store import Store
from meshsim.apiserver.storage.watch import Watch
from meshsim.apiserver.writing.deletion import DeleteOptions
from meshsim.client.api import Listing, PatchType, WatchEvent
from meshsim.kit.chance import draws
from meshsim.kit.clock import Clock, VirtualClock

# Read from the disk here, where no loop runs yet that it would block.
load_schemas(SERVED)


class InProcessApi:
    """An Api over a store of its own. As over HTTP, nothing that a client holds is shared with the store."""

    def __init__(self, clock: Clock | None = None, *, seed: int = 1) -> None:
        self.clock = clock or VirtualClock()
        self.store = Store(SERVED, int(self.clock.now() * 1000))
        self.registry = Registry(self.store, self.clock.now, draws(seed, "api"), seed)

    async def get(self, kind: Kind, key: Key) -> Object:
        return _copy(self.registry.get(kind, key))

    async def list(self, kind: Kind, namespace: str | None = None, *, selector: str = "") -> Listing:
        items = self.registry.select(kind, selection_of(kind, namespace, selector))
        return Listing([_copy(obj) for obj in items], str(self.store.version))

    async def watch(
        self, kind: Kind, resource_version: str, namespace: str | None = None, *, selector: str = ""
    ) -> AsyncIterator[WatchEvent]:
        version = int(resource_version) if resource_version not in ("", "0") else None
        watch = Watch(self.store, kind, selection_of(kind, namespace, selector), version)
        try:
            while told := await watch.next():
                for each in told:
                    yield WatchEvent(each.type, _copy(each.object))
        finally:
            watch.end()

    async def create(self, kind: Kind, obj: Object) -> Object:
        namespace = obj["metadata"].get("namespace") or "default" if kind.namespaced else ""
        return _copy(self.registry.create(kind, namespace, _copy(obj)))

    async def replace(self, kind: Kind, obj: Object, *, subresource: str = "") -> Object:
        key = Key(obj["metadata"].get("namespace") or "", obj["metadata"]["name"])
        return _copy(self.registry.replace(kind, key, _copy(obj), WriteOptions(subresource=subresource)))

    async def patch(
        self,
        kind: Kind,
        key: Key,
        patch: Object | Sequence[Object],
        *,
        how: PatchType = PatchType.MERGE,
        subresource: str = "",
    ) -> Object:
        change = read_json(write_json(patch))
        return _copy(self.registry.patch(kind, key, change, how, WriteOptions(subresource=subresource)))

    async def delete(
        self, kind: Kind, key: Key, *, uid: str = "", grace_s: int | None = None, propagation: str = "Background"
    ) -> None:
        self.registry.delete(kind, key, DeleteOptions(propagation, grace_s, uid))

    async def evict(self, pod: Key) -> None:
        evict(self.registry, pod, DeleteOptions())


def _copy(obj: Object) -> Object:
    copied: Object = read_json(write_json(obj))
    return copied
