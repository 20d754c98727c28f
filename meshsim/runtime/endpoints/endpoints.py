"""The EndpointSlice controller: whenever a Service or a pod changes, the Service's endpoints follow at once."""

import asyncio
import logging
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from meshsim.api.core import SERVICE_NAME_LABEL, Pod, Service
from meshsim.api.decode import FieldError, Object, decode
from meshsim.api.kinds import ENDPOINT_SLICE, ENDPOINTS, SERVICE, Kind
from meshsim.api.lag import Lags
from meshsim.api.meta import Key, key_of, selects
from meshsim.client.api import Api, ApiError, NotFoundError
from meshsim.client.informer import Change, Informer
from meshsim.kit.clock import Clock, LoopClock
from meshsim.kit.tasks import TaskOwner
from meshsim.runtime.endpoints.endpoints_plan import MANAGED_BY_LABEL, MANAGER, endpoints_of, has_endpoints, slices_of
from meshsim.runtime.tasks import log_failure

_log: Final = logging.getLogger(__name__)
_RETRY_S: Final = 0.05


@dataclass(frozen=True, slots=True)
class Decision:
    """What the endpoints of a Service are to be from an instant on."""

    due: float
    slices: Sequence[Object]
    endpoints: Object


@dataclass(frozen=True, slots=True)
class Caches:
    """What the controller reads."""

    services: Informer
    pods: Informer
    slices: Informer
    endpoints: Informer

    def all(self) -> tuple[Informer, ...]:
        """Each of them."""
        return self.services, self.pods, self.slices, self.endpoints


class EndpointsController:
    """Keeps the EndpointSlices and the Endpoints of every Service that selects pods.

    What they are to be is decided at once; with lag it is written that much later, change after change.
    """

    def __init__(self, api: Api, caches: Caches, clock: Clock, lags: Lags) -> None:
        self._api = api
        self._caches = caches
        self._clock = clock
        self._lags = lags
        self._stale: dict[Key, float] = {}
        """The Services to look at, and the lag of what changed."""
        self._any_stale = asyncio.Event()
        self._late: dict[Key, deque[Decision]] = {}
        self._tasks = TaskOwner(log_failure)
        caches.services.on_change(self._follow_service)
        caches.pods.on_change(self._follow_pod)
        caches.slices.on_change(self._follow_slice)
        caches.endpoints.on_change(lambda change: self._mark((change.key,), "endpoints"))

    async def run(self) -> None:
        """Keep them until cancelled."""
        for informer in self._caches.all():
            await informer.synced.wait()
        try:
            while True:
                await self._any_stale.wait()
                key, lag_s = next(iter(self._stale.items()))
                del self._stale[key]
                if not self._stale:
                    self._any_stale.clear()
                await self._decide(key, lag_s)
        finally:
            await self._tasks.close()

    def _mark(self, keys: Iterable[Key], *hops: str) -> None:
        """Look at these Services; what changed passes these hops, one after the other."""
        lag_s = sum(self._lags[hop] for hop in hops)
        for key in keys:
            self._stale[key] = max(lag_s, self._stale.get(key, 0.0))
        if self._stale:
            self._any_stale.set()

    def _follow_service(self, change: Change) -> None:
        self._mark((change.key,), "selector", "endpoints")
        # Before all that waits: a switch moves every request of the Service, a pod only its own.
        self._stale = {change.key: self._stale[change.key], **self._stale}

    def _follow_pod(self, change: Change) -> None:
        for pod in (change.old, change.new):
            if pod is not None:
                self._mark(self._services_selecting(pod), "endpoints")

    def _services_selecting(self, pod: Object) -> Iterable[Key]:
        metadata = pod["metadata"]
        for service in self._caches.services.all():
            selector = service["spec"].get("selector")
            same_namespace = service["metadata"]["namespace"] == metadata["namespace"]
            if same_namespace and selector and selects(selector, metadata.get("labels") or {}):
                yield key_of(service)

    def _follow_slice(self, change: Change) -> None:
        for obj in (change.old, change.new):
            if obj is not None and (service := (obj["metadata"].get("labels") or {}).get(SERVICE_NAME_LABEL)):
                self._mark((Key(change.key.namespace, service),), "endpoints")

    async def _decide(self, key: Key, lag_s: float) -> None:
        """Decide what the endpoints are to be, and write it now or later."""
        obj = self._caches.services.get(key)
        if obj is None:
            return
        try:
            service = decode(Service, obj)
            pods = [decode(Pod, pod) for pod in self._pods_of(service)]
        except FieldError as error:
            _log.warning("service %s keeps its endpoints: %s", key, error)
            return
        if not has_endpoints(service):
            return
        slices = slices_of(service, pods)
        if self._would_empty(key, slices) and await self._service_was_older(key):
            return
        decision = Decision(self._clock.now() + lag_s, slices, endpoints_of(service, pods))
        if key in self._late:
            self._late[key].append(decision)
        elif lag_s > 0.0:
            self._late[key] = deque((decision,))
            self._tasks.start(self._write_late(key), f"late endpoints of {key}")
        else:
            await self._try_to_write(key, decision)

    def _would_empty(self, key: Key, slices: Sequence[Object]) -> bool:
        """The Service has ready endpoints and would have none."""
        return any(map(_has_ready, self._slices_of(key))) and not any(map(_has_ready, slices))

    async def _service_was_older(self, key: Key) -> bool:
        """Ask the API whether the Service changed after it was last seen; then it is looked at again.

        A release that switches a Service to new pods and ends the old ones is told in two watches. The ends may
        come first, and endpoints that are empty until the switch is seen too would cost requests.
        """
        if self._lags["selector"]:
            return False
        try:
            latest = await self._api.get(SERVICE, key)
        except ApiError:
            return False
        known = self._caches.services.get(key)
        self._caches.services.learn(latest)
        return self._caches.services.get(key) is not known

    async def _write_late(self, key: Key) -> None:
        """Write each decision when it is due, in their order."""
        decisions = self._late[key]
        try:
            while decisions:
                await self._clock.sleep(decisions[0].due - self._clock.now())
                await self._try_to_write(key, decisions.popleft())
        finally:
            del self._late[key]

    async def _try_to_write(self, key: Key, decision: Decision) -> None:
        try:
            await self._write_decision(key, decision)
        except ApiError as error:
            _log.debug("endpoints of %s: %s", key, error)
            self._mark((key,), "endpoints")
            await LoopClock().sleep(_RETRY_S)

    async def _write_decision(self, key: Key, decision: Decision) -> None:
        for wanted in decision.slices:
            await self._write(ENDPOINT_SLICE, self._caches.slices, wanted)
        names = {wanted["metadata"]["name"] for wanted in decision.slices}
        for existing in self._slices_of(key):
            if existing["metadata"]["name"] not in names:
                await self._remove(existing)
        await self._write(ENDPOINTS, self._caches.endpoints, decision.endpoints)

    def _pods_of(self, service: Service) -> Iterable[Object]:
        for pod in self._caches.pods.all():
            metadata = pod["metadata"]
            if metadata["namespace"] == service.metadata.namespace and selects(
                service.spec.selector, metadata.get("labels") or {}
            ):
                yield pod

    def _slices_of(self, service: Key) -> Iterable[Object]:
        for obj in self._caches.slices.all():
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


def _has_ready(obj: Object) -> bool:
    return any((endpoint.get("conditions") or {}).get("ready") for endpoint in obj.get("endpoints") or ())


def _content(obj: Object) -> Object:
    """What of an object the plan decides."""
    decided = {name: value for name, value in obj.items() if name not in ("metadata", "apiVersion", "kind")}
    return {**decided, "labels": obj["metadata"].get("labels") or {}}
