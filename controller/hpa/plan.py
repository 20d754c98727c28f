"""What a horizontal pod autoscaler would do now: pure, from its target's scale, the pods and what they use.

Reasons and messages are Kubernetes'. Facts: k8s.io/kubernetes pkg/controller/podautoscaler (horizontal.go).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from msgspec.structs import replace

from controller.hpa.conditions import Said, with_condition
from controller.hpa.measure import Asked, Failed, World, measure
from controller.hpa.pace import Bounds, History, paced
from controller.hpa.usage import PodUsage
from controller.rollout.actions import Emit
from meshsim.api.autoscaling import AutoscalerStatus, HorizontalPodAutoscaler, MetricStatus
from meshsim.api.core import Pod
from meshsim.api.meta import Condition
from meshsim.kit.timestamps import to_rfc3339

ABLE: Final = "AbleToScale"
ACTIVE: Final = "ScalingActive"
LIMITED: Final = "ScalingLimited"
_GOT_SCALE: Final = Said("SucceededGetScale", "the HPA controller was able to get the target's current scale")
_DISABLED: Final = Said("ScalingDisabled", "scaling is disabled since the replica count of the target is zero")
_NO_SELECTOR: Final = Said("InvalidSelector", "the HPA target's scale is missing a selector")


@dataclass(frozen=True, slots=True)
class Observed:
    """What is there: the scale of the target, its pods, and what they use or why that is not known."""

    replicas: int
    selector: str
    pods: Sequence[Pod]
    usage: Mapping[str, PodUsage] | str
    rivals: tuple[str, ...] = ()
    """Other autoscalers of the same pods, as `namespace/name`."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do, what to tell, what to report and to remember."""

    status: AutoscalerStatus
    history: History
    replicas: int | None = None
    """What the scale is to be, None to leave it."""
    reason: str = ""
    """Why the scale changes."""
    events: tuple[Emit, ...] = ()


@dataclass(frozen=True, slots=True)
class _Wish:
    """How many replicas the metrics ask for, and which of them asks for most."""

    replicas: int
    name: str
    metrics: tuple[MetricStatus, ...]
    conditions: tuple[Condition, ...]
    events: tuple[Emit, ...]


@dataclass(frozen=True, slots=True)
class _NoWish:
    """Why nothing can be asked for: the scale stays as it is."""

    conditions: tuple[Condition, ...]
    events: tuple[Emit, ...]
    metrics: tuple[MetricStatus, ...] = ()


@dataclass(frozen=True, slots=True)
class _Decision:
    replicas: int
    reason: str
    history: History
    conditions: tuple[Condition, ...]
    metrics: tuple[MetricStatus, ...] = ()
    events: tuple[Emit, ...] = ()


def plan(autoscaler: HorizontalPodAutoscaler, observed: Observed, history: History, now: float) -> Plan:
    """Decide; `now` is in Unix seconds."""
    conditions = with_condition(autoscaler.status.conditions, ABLE, _GOT_SCALE, now, holds=True)
    if not history.recommendations:
        history = history.recommended(observed.replicas, now)
    spec, current = autoscaler.spec, observed.replicas
    least = 1 if spec.min_replicas is None else spec.min_replicas
    if current == 0 and least != 0:
        conditions = with_condition(conditions, ACTIVE, _DISABLED, now, holds=False)
        decision = _Decision(0, "", history, conditions)
    elif current > spec.max_replicas:
        reason = "Current number of replicas above Spec.MaxReplicas"
        decision = _Decision(spec.max_replicas, reason, history, conditions)
    elif current < least:
        decision = _Decision(least, "Current number of replicas below Spec.MinReplicas", history, conditions)
    else:
        wish = _wished(autoscaler, observed, conditions, now)
        if isinstance(wish, _NoWish):
            status = _status(autoscaler, current, autoscaler.status.desired_replicas, wish.metrics, wish.conditions)
            return Plan(status, history, events=wish.events)
        decision = _decided(autoscaler, wish, Bounds(current, least, spec.max_replicas), history, now)
    status = _status(autoscaler, current, decision.replicas, decision.metrics, decision.conditions)
    wanted = decision.replicas if decision.replicas != current else None
    return Plan(status, decision.history, wanted, decision.reason, decision.events)


def rescaled(decided: Plan, autoscaler: HorizontalPodAutoscaler, before: int, now: float) -> Plan:
    """The plan once the scale is what it was to be."""
    if decided.replicas is None:
        return decided
    said = Said("SucceededRescale", f"the HPA controller was able to update the target scale to {decided.replicas}")
    status = replace(
        decided.status,
        conditions=with_condition(decided.status.conditions, ABLE, said, now, holds=True),
        last_scale_time=to_rfc3339(now),
    )
    event = Emit("SuccessfulRescale", f"New size: {decided.replicas}; reason: {decided.reason}")
    history = decided.history
    if autoscaler.spec.behavior is not None:
        history = history.changed(decided.replicas - before, now)
    return Plan(status, history, decided.replicas, decided.reason, (*decided.events, event))


def not_rescaled(decided: Plan, autoscaler: HorizontalPodAutoscaler, before: int, problem: str, now: float) -> Plan:
    """The plan when the scale could not be changed."""
    said = Said("FailedUpdateScale", f"the HPA controller was unable to update the target scale: {problem}")
    conditions = with_condition(decided.status.conditions, ABLE, said, now, holds=False)
    text = f"New size: {decided.replicas}; reason: {decided.reason}; error: {problem}"
    status = _status(autoscaler, before, autoscaler.status.desired_replicas, decided.status.current_metrics, conditions)
    return Plan(status, decided.history, None, "", (*decided.events, Emit("FailedRescale", text, "Warning")))


def without_scale(autoscaler: HorizontalPodAutoscaler, problem: str, history: History, now: float) -> Plan:
    """What there is to tell when the target has no scale that can be read."""
    said = Said("FailedGetScale", f"the HPA controller was unable to get the target's current scale: {problem}")
    conditions = with_condition(autoscaler.status.conditions, ABLE, said, now, holds=False)
    events = (Emit("FailedGetScale", problem, "Warning"),)
    return Plan(replace(autoscaler.status, conditions=conditions), history, events=events)


def _wished(
    autoscaler: HorizontalPodAutoscaler, observed: Observed, conditions: tuple[Condition, ...], now: float
) -> _Wish | _NoWish:
    fault = _selector_fault(observed)
    if fault is not None:
        said, events = fault
        return _NoWish(with_condition(conditions, ACTIVE, said, now, holds=False), events)
    world = World(observed.replicas, observed.pods, observed.usage, now)
    results = [measure(autoscaler.spec, metric, world) for metric in autoscaler.spec.metrics]
    asked = [result for result in results if isinstance(result, Asked)]
    failed = [result for result in results if isinstance(result, Failed)]
    metrics = tuple(result.status if isinstance(result, Asked) else MetricStatus() for result in results)
    events = tuple(Emit(each.said.reason, each.said.message, "Warning") for each in failed)
    most = max(asked, key=lambda each: each.replicas, default=None)
    # While a metric cannot be read, the others may add pods but take none away.
    if most is None or (failed and most.replicas < observed.replicas):
        first = failed[0] if failed else Failed(Said("FailedGetResourceMetric", "no metrics"), "no metrics")
        text = f"invalid metrics ({len(failed)} invalid out of {len(results)}), first error is: {first.inside}"
        said = Said(first.said.reason, f"the HPA was unable to compute the replica count: {first.said.message}")
        told = Emit("FailedComputeMetricsReplicas", text, "Warning")
        return _NoWish(with_condition(conditions, ACTIVE, said, now, holds=False), (*events, told), metrics)
    said = Said("ValidMetricFound", f"the HPA was able to successfully calculate a replica count from {most.name}")
    conditions = with_condition(conditions, ACTIVE, said, now, holds=True)
    return _Wish(most.replicas, most.name, metrics, conditions, events)


def _selector_fault(observed: Observed) -> tuple[Said, tuple[Emit, ...]] | None:
    if not observed.selector:
        return _NO_SELECTOR, (
            Emit("SelectorRequired", "selector is required", "Warning"),
            Emit("FailedComputeMetricsReplicas", "selector is required", "Warning"),
        )
    if observed.rivals:
        rivals = " ".join(observed.rivals)
        message = f"pods by selector {observed.selector} are controlled by multiple HPAs: [{rivals}]"
        return Said("AmbiguousSelector", message), (
            Emit("AmbiguousSelector", message, "Warning"),
            Emit("FailedComputeMetricsReplicas", message, "Warning"),
        )
    return None


def _decided(
    autoscaler: HorizontalPodAutoscaler, wish: _Wish, bounds: Bounds, history: History, now: float
) -> _Decision:
    reason = ""
    if wish.replicas > bounds.current:
        reason = f"{wish.name} above target"
    elif wish.replicas < bounds.current:
        reason = "All metrics below target"
    found = paced(wish.replicas, bounds, autoscaler.spec.behavior, history, now)
    conditions = with_condition(wish.conditions, ABLE, found.able, now, holds=True)
    conditions = with_condition(conditions, LIMITED, found.limited, now, holds=found.is_limited)
    history = history.recommended(wish.replicas, now)
    return _Decision(found.replicas, reason, history, conditions, wish.metrics, wish.events)


def _status(
    autoscaler: HorizontalPodAutoscaler,
    current: int,
    desired: int,
    metrics: tuple[MetricStatus, ...],
    conditions: tuple[Condition, ...],
) -> AutoscalerStatus:
    return AutoscalerStatus(
        current_replicas=current,
        desired_replicas=desired,
        last_scale_time=autoscaler.status.last_scale_time,
        current_metrics=metrics,
        conditions=conditions,
    )
