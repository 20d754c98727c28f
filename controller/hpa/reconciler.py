"""Keeps the scale of each autoscaler's target: reads it every 15 s, lets `plan` decide, writes."""

from typing import Final

from controller.events import EventRecorder
from controller.hpa.pace import History
from controller.hpa.plan import Observed, Plan, not_rescaled, plan, rescaled, without_scale
from controller.hpa.pod_metrics import MetricsApi, UsageSource
from controller.manager import Manager, own_key
from meshsim.api.autoscaling import HorizontalPodAutoscaler
from meshsim.api.core import Pod
from meshsim.api.decode import FieldError, Object, decode, encode
from meshsim.api.kinds import HORIZONTAL_POD_AUTOSCALER, KINDS, POD, Kind
from meshsim.api.meta import Key
from meshsim.api.scale import scale_of
from meshsim.api.selectors import parse_label_selector
from meshsim.client.api import Api, ApiError, NotFoundError
from meshsim.client.informer import Informer
from meshsim.kit.clock import Clock

PERIOD_S: Final = 15.0
"""How often the metrics are looked at."""
_COMPONENT: Final = "horizontal-pod-autoscaler"


def setup(manager: Manager, api: Api, clock: Clock, recorder: EventRecorder) -> None:
    """Have the manager run the autoscaler."""
    autoscalers, pods = manager.informer(HORIZONTAL_POD_AUTOSCALER), manager.informer(POD)
    reconciler = AutoscalerReconciler(api, clock, recorder, MetricsApi(api), autoscalers, pods)
    manager.add("horizontal pod autoscaler", reconciler, {autoscalers: own_key})


class AutoscalerReconciler:
    """Sets the number of replicas of a target by what its pods use."""

    def __init__(
        self,
        api: Api,
        clock: Clock,
        recorder: EventRecorder,
        source: UsageSource,
        autoscalers: Informer,
        pods: Informer,
    ) -> None:
        self._api = api
        self._clock = clock
        self._recorder = recorder
        self._source = source
        self._autoscalers = autoscalers
        self._pods = pods
        self._histories: dict[str, History] = {}
        self._looked_at: dict[str, tuple[object, float]] = {}
        autoscalers.on_change(lambda change: self._forget(change.old, change.new))

    async def reconcile(self, key: Key) -> float | None:
        obj = self._autoscalers.get(key)
        if obj is None:
            return None
        autoscaler, now = decode(HorizontalPodAutoscaler, obj), self._clock.now()
        again_at = self._again_at(obj, now)
        if again_at > now:
            return again_at
        decided = await self._decided(autoscaler, now)
        self._histories[autoscaler.metadata.uid] = decided.history
        self._looked_at[autoscaler.metadata.uid] = (obj.get("spec"), now)
        for event in decided.events:
            self._recorder.record(obj, event, _COMPONENT)
        if decided.status != autoscaler.status:
            reported = {**obj, "status": encode(decided.status)}
            self._autoscalers.learn(await self._api.replace(HORIZONTAL_POD_AUTOSCALER, reported, subresource="status"))
        return now + PERIOD_S

    def _again_at(self, obj: Object, now: float) -> float:
        """When it is to be looked at: a period after the last time, at once when what is asked of it has changed."""
        asked, at = self._looked_at.get(obj["metadata"]["uid"], (None, 0.0))
        return at + PERIOD_S if asked is not None and asked == obj.get("spec") else now

    async def _decided(self, autoscaler: HorizontalPodAutoscaler, now: float) -> Plan:
        history = self._histories.get(autoscaler.metadata.uid, History())
        kind = _target_kind(autoscaler)
        target = autoscaler.spec.scale_target_ref
        if kind is None:
            group, _, version = target.api_version.rpartition("/")
            problem = f'no matches for kind "{target.kind}" in group "{group}"'
            return without_scale(autoscaler, problem if version else "unrecognized resource", history, now)
        key = Key(autoscaler.metadata.namespace, target.name)
        try:
            scale = scale_of(kind, await self._api.get(kind, key))
        except NotFoundError as error:
            return without_scale(autoscaler, str(error), history, now)
        observed = await self._observed(autoscaler, scale)
        decided = plan(autoscaler, observed, history, now)
        if decided.replicas is None:
            return decided
        patch: Object = {
            "metadata": {"resourceVersion": scale["metadata"]["resourceVersion"]},
            "spec": {"replicas": decided.replicas},
        }
        try:
            await self._api.patch(kind, key, patch, subresource="scale")
        except ApiError as error:
            if error.reason == "Conflict":
                raise
            return not_rescaled(decided, autoscaler, observed.replicas, str(error), now)
        return rescaled(decided, autoscaler, observed.replicas, now)

    async def _observed(self, autoscaler: HorizontalPodAutoscaler, scale: Object) -> Observed:
        namespace, selector = autoscaler.metadata.namespace, scale["status"]["selector"]
        replicas = scale["spec"]["replicas"]
        if not selector:
            return Observed(replicas, "", (), {})
        wanted = parse_label_selector(selector)
        pods = [
            decode(Pod, obj)
            for obj in self._pods.all()
            if obj["metadata"].get("namespace") == namespace and wanted.matches(obj["metadata"].get("labels") or {})
        ]
        usage = await self._source.usage(namespace, selector)
        return Observed(replicas, selector, pods, usage, self._rivals(autoscaler))

    def _rivals(self, autoscaler: HorizontalPodAutoscaler) -> tuple[str, ...]:
        """All autoscalers of this one's target, when there are others."""
        found = []
        for obj in self._autoscalers.all():
            try:
                other = decode(HorizontalPodAutoscaler, obj)
            except FieldError:
                continue
            same_place = other.metadata.namespace == autoscaler.metadata.namespace
            if same_place and other.spec.scale_target_ref == autoscaler.spec.scale_target_ref:
                found.append(str(other.metadata.key))
        return tuple(sorted(found)) if len(found) > 1 else ()

    def _forget(self, old: Object | None, new: Object | None) -> None:
        if old is not None and new is None:
            self._histories.pop(old["metadata"]["uid"], None)
            self._looked_at.pop(old["metadata"]["uid"], None)


def _target_kind(autoscaler: HorizontalPodAutoscaler) -> Kind | None:
    target = autoscaler.spec.scale_target_ref
    group = target.api_version.rpartition("/")[0]
    return next((kind for kind in KINDS if kind.kind == target.kind and kind.group == group and kind.has_scale), None)
