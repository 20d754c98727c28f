"""An Api that only a leader writes to."""

from collections.abc import AsyncIterator, Callable, Sequence

from meshsim.api.decode import Object
from meshsim.api.kinds import Kind
from meshsim.api.meta import Key
from meshsim.client.api import Api, ApiError, Listing, PatchType, WatchEvent


class NotLeadingError(ApiError):
    """The write was not sent: another controller may be acting by now."""

    def __init__(self) -> None:
        super().__init__(0, "NotLeading", "this controller does not lead")


class FencedApi:
    """Passes reads on always, and writes while `leads` says so; raises NotLeadingError instead of the others."""

    def __init__(self, api: Api, leads: Callable[[], bool]) -> None:
        self._api = api
        self._leads = leads

    def _check(self) -> None:
        if not self._leads():
            raise NotLeadingError

    async def get(self, kind: Kind, key: Key) -> Object:
        return await self._api.get(kind, key)

    async def list(self, kind: Kind, namespace: str | None = None, *, selector: str = "") -> Listing:
        return await self._api.list(kind, namespace, selector=selector)

    def watch(
        self, kind: Kind, resource_version: str, namespace: str | None = None, *, selector: str = ""
    ) -> AsyncIterator[WatchEvent]:
        return self._api.watch(kind, resource_version, namespace, selector=selector)

    async def create(self, kind: Kind, obj: Object) -> Object:
        self._check()
        return await self._api.create(kind, obj)

    async def replace(self, kind: Kind, obj: Object, *, subresource: str = "") -> Object:
        self._check()
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
        self._check()
        return await self._api.patch(kind, key, patch, how=how, subresource=subresource)

    async def delete(
        self, kind: Kind, key: Key, *, uid: str = "", grace_s: int | None = None, propagation: str = "Background"
    ) -> None:
        self._check()
        await self._api.delete(kind, key, uid=uid, grace_s=grace_s, propagation=propagation)

    async def evict(self, pod: Key) -> None:
        self._check()
        await self._api.evict(pod)
