"""The Api for what runs in the server's own process: the same rules, no sockets and no copies."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

from meshsim.api.decode import Object, read_json, write_json
from meshsim.api.kinds import Kind
from meshsim.api.meta import Key, key_of
from meshsim.apiserver.eviction import evict
from meshsim.apiserver.registry import Registry, WriteOptions
from meshsim.apiserver.storage.selection import selection_of
from meshsim.apiserver.storage.watch import Watch
from meshsim.apiserver.writing.deletion import DeleteOptions
from meshsim.client.api import Listing, PatchType, WatchEvent


class LocalApi:
    """An Api over a registry. Objects returned are those that are stored: copy before changing."""

    def __init__(self, registry: Registry, settled: Callable[[], Awaitable[None]]) -> None:
        self._registry = registry
        self._settled = settled

    async def get(self, kind: Kind, key: Key) -> Object:
        return self._registry.get(kind, key)

    async def list(self, kind: Kind, namespace: str | None = None, *, selector: str = "") -> Listing:
        items = self._registry.select(kind, selection_of(kind, namespace, selector))
        return Listing(items, str(self._registry.store.version))

    async def watch(
        self, kind: Kind, resource_version: str, namespace: str | None = None, *, selector: str = ""
    ) -> AsyncIterator[WatchEvent]:
        version = int(resource_version) if resource_version not in ("", "0") else None
        watch = Watch(self._registry.store, kind, selection_of(kind, namespace, selector), version)
        try:
            while told := await watch.next():
                for each in told:
                    yield WatchEvent(each.type, each.object)
        finally:
            watch.end()

    async def create(self, kind: Kind, obj: Object) -> Object:
        namespace = (obj["metadata"].get("namespace") or "default") if kind.namespaced else ""
        created = self._registry.create(kind, namespace, _copy(obj))
        await self._settled()
        return created

    async def replace(self, kind: Kind, obj: Object, *, subresource: str = "") -> Object:
        replaced = self._registry.replace(kind, key_of(obj), _copy(obj), WriteOptions(subresource=subresource))
        await self._settled()
        return replaced

    async def patch(
        self,
        kind: Kind,
        key: Key,
        patch: Object | Sequence[Object],
        *,
        how: PatchType = PatchType.MERGE,
        subresource: str = "",
    ) -> Object:
        patched = self._registry.patch(kind, key, _copy(patch), how, WriteOptions(subresource=subresource))
        await self._settled()
        return patched

    async def delete(
        self, kind: Kind, key: Key, *, uid: str = "", grace_s: int | None = None, propagation: str = "Background"
    ) -> None:
        self._registry.delete(kind, key, DeleteOptions(propagation, grace_s, uid))
        await self._settled()

    async def evict(self, pod: Key) -> None:
        evict(self._registry, pod, DeleteOptions())
        await self._settled()


def _copy(value: object) -> Any:
    """The rules of writing own what they are given."""
    return read_json(write_json(value))
