"""What each metric of an autoscaler asks for. Pure.

Facts and messages: k8s.io/kubernetes pkg/controller/podautoscaler (horizontal.go, replica_calculator.go).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from controller.hpa.conditions import Said
from controller.hpa.usage import TOLERANCE, Measured, PodUsage, Question, Tolerances, UsageError, milli, replicas_for
from meshsim.api.autoscaling import AutoscalerSpec, MetricSpec, MetricStatus, MetricValue, ResourceMetric
from meshsim.api.autoscaling import ResourceMetricStatus as ResourceStatus
from meshsim.api.core import Pod
from meshsim.api.quantities import QuantityError, canonical_quantity

_NO_CUSTOM_API: Final = (
    "unable to fetch metrics from custom metrics API: no custom metrics API (custom.metrics.k8s.io) registered"
)
_NO_TARGET: Final = (
    "invalid resource metric source: neither an average utilization target nor an average value (usage) target was set"
)


@dataclass(frozen=True, slots=True)
class World:
    """What is known of the pods of a target: `usage` is what the resource metrics API said, or why it said nothing."""

    replicas: int
    pods: Sequence[Pod]
    usage: Mapping[str, PodUsage] | str
    now: float


@dataclass(frozen=True, slots=True)
class Asked:
    """What one metric asks for."""

    replicas: int
    name: str
    status: MetricStatus


@dataclass(frozen=True, slots=True)
class Failed:
    """Why one metric asks for nothing: as an event and a condition say it, and as a part of a longer message."""

    said: Said
    inside: str


def measure(spec: AutoscalerSpec, metric: MetricSpec, world: World) -> Asked | Failed:
    """What a metric asks for, or why it asks for nothing."""
    if metric.type == "Resource" and metric.resource is not None:
        return _of_resource(spec, metric, metric.resource, world)
    if metric.type == "ContainerResource" and metric.container_resource is not None:
        return _of_resource(spec, metric, metric.container_resource, world)
    return _not_served(metric)


def _of_resource(spec: AutoscalerSpec, metric: MetricSpec, resource: ResourceMetric, world: World) -> Asked | Failed:
    target, name = resource.target, resource.name
    by_value = target.average_value is not None
    if not by_value and target.average_utilization is None:
        return _failed(metric, resource, _NO_TARGET)
    try:
        average = milli(target.average_value) if by_value else None
        question = Question(
            name, resource.container, None if by_value else target.average_utilization, average, _tolerances(spec)
        )
        measured = _measured(question, world)
    except (UsageError, QuantityError) as error:
        return _failed(metric, resource, f"failed to get {name} {'usage' if by_value else 'utilization'}: {error}")
    what = "container resource" if resource.container else "resource"
    told = f"{name} resource" if by_value else f"{name} {what} utilization (percentage of request)"
    return Asked(measured.replicas, told, _status(metric, resource, measured))


def _failed(metric: MetricSpec, resource: ResourceMetric, problem: str) -> Failed:
    what = f"{resource.container} container" if metric.type == "ContainerResource" else f"{resource.name} resource"
    return Failed(Said(f"FailedGet{metric.type}Metric", problem), f"failed to get {what} metric value: {problem}")


def _measured(question: Question, world: World) -> Measured:
    if isinstance(world.usage, str):
        raise UsageError(f"unable to get metrics for resource {question.resource}: {world.usage}")
    return replicas_for(question, world.replicas, world.pods, world.usage, world.now)


def _status(metric: MetricSpec, resource: ResourceMetric, measured: Measured) -> MetricStatus:
    value = MetricValue(
        average_utilization=measured.utilization, average_value=quantity_of(resource.name, measured.average)
    )
    status = ResourceStatus(name=resource.name, container=resource.container, current=value)
    if metric.type == "Resource":
        return MetricStatus(type=metric.type, resource=status)
    return MetricStatus(type=metric.type, container_resource=status)


def quantity_of(resource: str, thousandths: int) -> str:
    """An amount as a metrics server writes it: memory by powers of 1024, the rest by powers of ten."""
    if resource == "memory" and thousandths % 1_024_000 == 0:
        return canonical_quantity(f"{thousandths // 1_024_000}Ki")
    return canonical_quantity(f"{thousandths}m")


def _tolerances(spec: AutoscalerSpec) -> Tolerances:
    if spec.behavior is None:
        return Tolerances()
    down, up = spec.behavior.scale_down.tolerance, spec.behavior.scale_up.tolerance
    return Tolerances(TOLERANCE if down is None else milli(down) / 1000, TOLERANCE if up is None else milli(up) / 1000)


def _not_served(metric: MetricSpec) -> Failed:
    """Metrics that no API here has: those of pods, of objects, from outside."""
    if metric.type == "Pods" and metric.pods is not None:
        problem = f"unable to get metric {metric.pods.metric.name}: {_NO_CUSTOM_API}"
        return Failed(Said("FailedGetPodsMetric", problem), f"failed to get pods metric value: {problem}")
    if metric.type == "Object" and metric.object is not None:
        about = metric.object.described_object
        problem = f"unable to get metric {metric.object.metric.name}: {_NO_CUSTOM_API} on {about.kind} {about.name}"
        return Failed(Said("FailedGetObjectMetric", problem), f"failed to get object metric value: {problem}")
    if metric.type == "External" and metric.external is not None:
        name = metric.external.metric.name
        problem = (
            f"unable to get external metric {name}: unable to fetch metrics from external metrics API: "
            "no external metrics API (external.metrics.k8s.io) registered"
        )
        return Failed(
            Said("FailedGetExternalMetric", problem), f"failed to get {name} external metric value: {problem}"
        )
    problem = f'unknown metric source type "{metric.type}"'
    return Failed(Said("InvalidMetricSourceType", problem), problem)
