"""An Api whose requests are counted, as Argo counts its client's."""

from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager

from controller.series import family
from meshsim.api.decode import Object
from meshsim.api.kinds import DEPLOYMENT, DESTINATION_RULE, POD, ROLLOUT, SERVICE, VIRTUAL_SERVICE, Kind
from meshsim.api.meta import Key, key_of
from meshsim.client.api import Api, ApiError, Listing, PatchType, WatchEvent
from meshsim.telemetry.exposition import Sample, sample

_NAME = "controller_clientset_k8s_request_total"
_CREATED = 201
_DONE = 200
_NAMED_BY_PEOPLE = frozenset({ROLLOUT, DEPLOYMENT, SERVICE, VIRTUAL_SERVICE, DESTINATION_RULE})
"""Objects of other kinds have generated names: a series for each would be one without end."""


class CountedApi:
    """Passes everything on."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._requests: Counter[tuple[str, str, str, str, int]] = Counter()

    def samples(self) -> Iterator[Sample]:
        """The request counter."""
        yield family(_NAME, "counter")
        for (kind, namespace, name, verb, code), count in self._requests.items():
            labels = [("kind", kind), ("namespace", namespace), ("name", name), ("verb", verb)]
            yield sample(_NAME, [*labels, ("status_code", str(code))], count)

    @contextmanager
    def _counting(self, verb: str, kind: Kind, key: Key, done: int = _DONE) -> Iterator[None]:
        code = done
        try:
            yield
        except ApiError as error:
            code = error.code
            raise
        finally:
            self._count(verb, kind, key, code)

    def _count(self, verb: str, kind: Kind, key: Key, code: int) -> None:
        name = key.name if kind in _NAMED_BY_PEOPLE and key.name else "N/A"
        self._requests[kind.plural, key.namespace, name, verb, code] += 1

    async def get(self, kind: Kind, key: Key) -> Object:
        with self._counting("Get", kind, key):
            return await self._api.get(kind, key)

    async def list(self, kind: Kind, namespace: str | None = None, *, selector: str = "") -> Listing:
        with self._counting("List", kind, Key(namespace or "", "")):
            return await self._api.list(kind, namespace, selector=selector)

    def watch(
        self, kind: Kind, resource_version: str, namespace: str | None = None, *, selector: str = ""
    ) -> AsyncIterator[WatchEvent]:
        self._count("Watch", kind, Key(namespace or "", ""), _DONE)
        return self._api.watch(kind, resource_version, namespace, selector=selector)

    async def create(self, kind: Kind, obj: Object) -> Object:
        with self._counting("Create", kind, key_of(obj), _CREATED):
            return await self._api.create(kind, obj)

    async def replace(self, kind: Kind, obj: Object, *, subresource: str = "") -> Object:
        with self._counting("Update", kind, key_of(obj)):
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
        with self._counting("Patch", kind, key):
            return await self._api.patch(kind, key, patch, how=how, subresource=subresource)

    async def delete(
        self, kind: Kind, key: Key, *, uid: str = "", grace_s: int | None = None, propagation: str = "Background"
    ) -> None:
        with self._counting("Delete", kind, key):
            await self._api.delete(kind, key, uid=uid, grace_s=grace_s, propagation=propagation)

    async def evict(self, pod: Key) -> None:
        with self._counting("Create", POD, pod, _CREATED):
            await self._api.evict(pod)
