"""The HorizontalPodAutoscaler (autoscaling/v2), and what it measures."""

from meshsim.api.decode import Wire
from meshsim.api.meta import Condition, ObjectMeta


class ScaleTarget(Wire, frozen=True):
    """The object whose scale is set."""

    kind: str = ""
    name: str = ""
    api_version: str = ""


class MetricTarget(Wire, frozen=True):
    """What is aimed at; amounts are quantities."""

    type: str = ""
    average_utilization: int | None = None
    """Percent of what the pods request."""
    average_value: str | int | float | None = None
    value: str | int | float | None = None


class MetricIdentifier(Wire, frozen=True):
    """Names a metric that is not a resource."""

    name: str = ""


class ResourceMetric(Wire, frozen=True):
    """The CPU or memory that pods use, or one container of each."""

    name: str = ""
    container: str = ""
    target: MetricTarget = MetricTarget()


class NamedMetric(Wire, frozen=True):
    """A metric of the pods, of another object or from outside."""

    metric: MetricIdentifier = MetricIdentifier()
    target: MetricTarget = MetricTarget()
    described_object: ScaleTarget = ScaleTarget()


class MetricSpec(Wire, frozen=True):
    """One thing to measure; `type` says which of the fields holds it."""

    type: str = ""
    resource: ResourceMetric | None = None
    container_resource: ResourceMetric | None = None
    pods: NamedMetric | None = None
    object: NamedMetric | None = None
    external: NamedMetric | None = None


class ScalingPolicy(Wire, frozen=True):
    """How much change is allowed in a period: `value` pods, or percent of them."""

    type: str = "Pods"
    value: int = 0
    period_seconds: int = 0


class ScalingRules(Wire, frozen=True):
    """How fast the number may change in one direction."""

    stabilization_window_seconds: int | None = None
    select_policy: str = "Max"
    policies: tuple[ScalingPolicy, ...] = ()
    tolerance: str | int | float | None = None


class Behavior(Wire, frozen=True):
    """How fast the number may go up and down."""

    scale_up: ScalingRules = ScalingRules()
    scale_down: ScalingRules = ScalingRules()


class AutoscalerSpec(Wire, frozen=True):
    """What to scale, between which bounds, by what."""

    scale_target_ref: ScaleTarget = ScaleTarget()
    min_replicas: int | None = None
    max_replicas: int = 0
    metrics: tuple[MetricSpec, ...] = ()
    behavior: Behavior | None = None


class MetricValue(Wire, frozen=True):
    """What a metric is now."""

    average_utilization: int | None = None
    average_value: str | None = None


class ResourceMetricStatus(Wire, frozen=True):
    """What the pods use of a resource now."""

    name: str = ""
    container: str = ""
    current: MetricValue = MetricValue()


class MetricStatus(Wire, frozen=True):
    """The current value of one metric; without a type when it could not be had."""

    type: str = ""
    resource: ResourceMetricStatus | None = None
    container_resource: ResourceMetricStatus | None = None


class AutoscalerStatus(Wire, frozen=True):
    """What the controller saw and asked for last."""

    current_replicas: int = 0
    desired_replicas: int = 0
    last_scale_time: str = ""
    current_metrics: tuple[MetricStatus, ...] = ()
    conditions: tuple[Condition, ...] = ()


class HorizontalPodAutoscaler(Wire, frozen=True):
    """Sets the number of replicas by what the pods use."""

    metadata: ObjectMeta
    spec: AutoscalerSpec = AutoscalerSpec()
    status: AutoscalerStatus = AutoscalerStatus()
