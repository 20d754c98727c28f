"""An Api in front of another one: every request passes one place, where it can be counted or refused."""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractContextManager
from enum import StrEnum

from meshsim.api.decode import Object
from meshsim.api.kinds import POD, Kind
from meshsim.api.meta import Key, key_of
from meshsim.client.api import Api, Listing, PatchType, WatchEvent


class Verb(StrEnum):
    """What a request does, in the words of Argo's client; an eviction creates a subresource."""

    GET = "Get"
    LIST = "List"
    WATCH = "Watch"
    CREATE = "Create"
    UPDATE = "Update"
    PATCH = "Patch"
    DELETE = "Delete"


class WrappedApi(ABC):
    """Passes every request on to another Api, inside what `asking` gives for it."""

    def __init__(self, api: Api) -> None:
        self._api = api

    @abstractmethod
    def asking(self, verb: Verb, kind: Kind, key: Key) -> AbstractContextManager[None]:
        """What surrounds a request; the key of a list or a watch has no name. What it raises, the request raises."""

    async def get(self, kind: Kind, key: Key) -> Object:
        with self.asking(Verb.GET, kind, key):
            return await self._api.get(kind, key)

    async def list(self, kind: Kind, namespace: str | None = None, *, selector: str = "") -> Listing:
        with self.asking(Verb.LIST, kind, Key(namespace or "", "")):
            return await self._api.list(kind, namespace, selector=selector)

    def watch(
        self, kind: Kind, resource_version: str, namespace: str | None = None, *, selector: str = ""
    ) -> AsyncIterator[WatchEvent]:
        with self.asking(Verb.WATCH, kind, Key(namespace or "", "")):
            return self._api.watch(kind, resource_version, namespace, selector=selector)

    async def create(self, kind: Kind, obj: Object) -> Object:
        with self.asking(Verb.CREATE, kind, key_of(obj)):
            return await self._api.create(kind, obj)

    async def replace(self, kind: Kind, obj: Object, *, subresource: str = "") -> Object:
        with self.asking(Verb.UPDATE, kind, key_of(obj)):
            return await self._api.replace(kind, obj, subresource=subresource)

    async def patch(
        self,
        kind: Kind,
        key: Key,
        patch: Object | Sequence[Object],
        *,
        how: PatchType = PatchType.MERGE,
        subresource: str = "",
    ) -> Object:
        with self.asking(Verb.PATCH, kind, key):
            return await self._api.patch(kind, key, patch, how=how, subresource=subresource)

    async def delete(
        self, kind: Kind, key: Key, *, uid: str = "", grace_s: int | None = None, propagation: str = "Background"
    ) -> None:
        with self.asking(Verb.DELETE, kind, key):
            await self._api.delete(kind, key, uid=uid, grace_s=grace_s, propagation=propagation)

    async def evict(self, pod: Key) -> None:
        with self.asking(Verb.CREATE, POD, pod):
            await self._api.evict(pod)
