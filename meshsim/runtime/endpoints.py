"""The EndpointSlice controller: whenever a Service or a pod changes, the Service's endpoints follow at once."""

import asyncio
import logging
from collections.abc import Iterable
from typing import Final

from meshsim.api.core import SERVICE_NAME_LABEL, Pod, Service
from meshsim.api.decode import FieldError, Object, decode
from meshsim.api.kinds import ENDPOINT_SLICE, ENDPOINTS, Kind
from meshsim.api.meta import Key, key_of, selects
from meshsim.client.api import Api, ApiError, NotFoundError
from meshsim.client.informer import Change, Informer
from meshsim.kit.clock import LoopClock
from meshsim.runtime.endpoints_plan import MANAGED_BY_LABEL, MANAGER, endpoints_of, has_endpoints, slices_of

_log: Final = logging.getLogger(__name__)
_RETRY_S: Final = 0.05


class EndpointsController:
    """Keeps the EndpointSlices and the Endpoints of every Service that selects pods."""

    def __init__(self, api: Api, services: Informer, pods: Informer, slices: Informer, endpoints: Informer) -> None:
        self._api = api
        self._services = services
        self._pods = pods
        self._slices = slices
        self._endpoints = endpoints
        self._stale: dict[Key, None] = {}
        self._any_stale = asyncio.Event()
        services.on_change(lambda change: self._mark((change.key,)))
        pods.on_change(self._follow_pod)
        slices.on_change(self._follow_slice)
        endpoints.on_change(lambda change: self._mark((change.key,)))

    async def run(self) -> None:
        """Keep them until cancelled."""
        for informer in (self._services, self._pods, self._slices, self._endpoints):
            await informer.synced.wait()
        while True:
            await self._any_stale.wait()
            key = next(iter(self._stale))
            del self._stale[key]
            if not self._stale:
                self._any_stale.clear()
            try:
                await self._sync(key)
            except FieldError as error:
                _log.warning("service %s keeps its endpoints: %s", key, error)
            except ApiError as error:
                _log.debug("endpoints of %s: %s", key, error)
                self._mark((key,))
                await LoopClock().sleep(_RETRY_S)

    def _mark(self, keys: Iterable[Key]) -> None:
        for key in keys:
            self._stale[key] = None
        if self._stale:
            self._any_stale.set()

    def _follow_pod(self, change: Change) -> None:
        for pod in (change.old, change.new):
            if pod is not None:
                self._mark(self._services_selecting(pod))

    def _services_selecting(self, pod: Object) -> Iterable[Key]:
        metadata = pod["metadata"]
        for service in self._services.all():
            selector = service["spec"].get("selector")
            same_namespace = service["metadata"]["namespace"] == metadata["namespace"]
            if same_namespace and selector and selects(selector, metadata.get("labels") or {}):
                yield key_of(service)

    def _follow_slice(self, change: Change) -> None:
        for obj in (change.old, change.new):
            if obj is not None and (service := (obj["metadata"].get("labels") or {}).get(SERVICE_NAME_LABEL)):
                self._mark((Key(change.key.namespace, service),))

    async def _sync(self, key: Key) -> None:
        obj = self._services.get(key)
        if obj is None:
            return
        service = decode(Service, obj)
        if not has_endpoints(service):
            return
        pods = [decode(Pod, pod) for pod in self._pods_of(service)]
        wanted = slices_of(service, pods)
        for each in wanted:
            await self._write(ENDPOINT_SLICE, self._slices, each)
        names = {each["metadata"]["name"] for each in wanted}
        for existing in self._slices_of(key):
            if existing["metadata"]["name"] not in names:
                await self._remove(existing)
        await self._write(ENDPOINTS, self._endpoints, endpoints_of(service, pods))

    def _pods_of(self, service: Service) -> Iterable[Object]:
        for pod in self._pods.all():
            metadata = pod["metadata"]
            if metadata["namespace"] == service.metadata.namespace and selects(
                service.spec.selector, metadata.get("labels") or {}
            ):
                yield pod

    def _slices_of(self, service: Key) -> Iterable[Object]:
        for obj in self._slices.all():
            labels = obj["metadata"].get("labels") or {}
            if (
                obj["metadata"]["namespace"] == service.namespace
                and labels.get(SERVICE_NAME_LABEL) == service.name
                and labels.get(MANAGED_BY_LABEL) == MANAGER
            ):
                yield obj

    async def _write(self, kind: Kind, informer: Informer, wanted: Object) -> None:
        existing = informer.get(key_of(wanted))
        if existing is None:
            informer.learn(await self._api.create(kind, wanted))
        elif _content(existing) != _content(wanted):
            metadata = {**existing["metadata"], "labels": wanted["metadata"]["labels"]}
            informer.learn(await self._api.replace(kind, {**wanted, "metadata": metadata}))

    async def _remove(self, existing: Object) -> None:
        try:
            await self._api.delete(ENDPOINT_SLICE, key_of(existing), uid=existing["metadata"]["uid"])
        except NotFoundError:
            return


def _content(obj: Object) -> Object:
    """What of an object the plan decides."""
    decided = {name: value for name, value in obj.items() if name not in ("metadata", "apiVersion", "kind")}
    return {**decided, "labels": obj["metadata"].get("labels") or {}}
