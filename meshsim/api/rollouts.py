"""Argo Rollouts' Rollout as it stands on the wire: what was asked for, and how far it is.

Field for field the CRD of Argo Rollouts 1.10 (routers other than Istio stay Objects). An absent field is None
where Argo tells absent from zero; its default is then a property here or a rule of the controller. Pod templates
stay Objects: they are hashed, copied and compared whole. Stamps are RFC 3339 text.
"""

from typing import Final

import msgspec

from meshsim.api.decode import Object, Wire
from meshsim.api.meta import Condition, LabelSelector, ObjectMeta
from meshsim.api.steps import BackgroundAnalysis, CanaryStep, PodMetadata, RolloutAnalysis

HASH_LABEL: Final = "rollouts-pod-template-hash"
"""On ReplicaSets, pods, analysis runs and in service selectors: which pod template they are of."""
REVISION_ANNOTATION: Final = "rollout.argoproj.io/revision"
REVISION_HISTORY_ANNOTATION: Final = "rollout.argoproj.io/revision-history"
DESIRED_REPLICAS_ANNOTATION: Final = "rollout.argoproj.io/desired-replicas"
EPHEMERAL_METADATA_ANNOTATION: Final = "rollout.argoproj.io/ephemeral-metadata"
WORKLOAD_GENERATION_ANNOTATION: Final = "rollout.argoproj.io/workload-generation"
SCALE_DOWN_DEADLINE_ANNOTATION: Final = "scale-down-deadline"
MANAGED_BY_ANNOTATION: Final = "argo-rollouts.argoproj.io/managed-by-rollouts"

IntOrPercent = int | str
"""An integer is absolute; any text is a percentage, with or without its sign."""


class NamedRoute(Wire, frozen=True):
    """A route that steps may create in the VirtualService."""

    name: str = ""


class TlsRoute(Wire, frozen=True):
    """Which tls routes of a VirtualService carry the split."""

    port: int = 0
    sni_hosts: tuple[str, ...] = ()


class TcpRoute(Wire, frozen=True):
    """Which tcp routes of a VirtualService carry the split."""

    port: int = 0


class IstioVirtualService(Wire, frozen=True):
    """A VirtualService that carries the split (`name` or `name.namespace`), and which of its routes do."""

    name: str = ""
    routes: tuple[str, ...] = ()
    tls_routes: tuple[TlsRoute, ...] = ()
    tcp_routes: tuple[TcpRoute, ...] = ()


class IstioDestinationRule(Wire, frozen=True):
    """The DestinationRule whose subsets tell canary from stable on one host."""

    name: str = ""
    canary_subset_name: str = ""
    stable_subset_name: str = ""
    additional_subset_names: tuple[str, ...] = ()


class IstioTrafficRouting(Wire, frozen=True):
    """Istio's part of `trafficRouting`."""

    virtual_service: IstioVirtualService | None = None
    virtual_services: tuple[IstioVirtualService, ...] | None = None
    destination_rule: IstioDestinationRule | None = None


class TrafficRouting(Wire, frozen=True):
    """Who splits traffic by weight. Only Istio is emulated; the others are named so that they can be refused."""

    istio: IstioTrafficRouting | None = None
    alb: Object | None = None
    ambassador: Object | None = None
    apisix: Object | None = None
    app_mesh: Object | None = None
    nginx: Object | None = None
    plugins: Object | None = None
    smi: Object | None = None
    traefik: Object | None = None
    managed_routes: tuple[NamedRoute, ...] | None = None
    max_traffic_weight: int | None = None


class PreferredAntiAffinity(Wire, frozen=True):
    """A preference of this weight (1–100)."""

    weight: int = 0


class AntiAffinity(Wire, frozen=True):
    """Keep canary and stable pods on different nodes; exactly one is set."""

    preferred: PreferredAntiAffinity | None = msgspec.field(
        default=None, name="preferredDuringSchedulingIgnoredDuringExecution"
    )
    required: Object | None = msgspec.field(default=None, name="requiredDuringSchedulingIgnoredDuringExecution")


class PingPong(Wire, frozen=True):
    """Two Services that take turns in being stable."""

    ping_service: str = ""
    pong_service: str = ""


class ReplicaProgressThreshold(Wire, frozen=True):
    """How many available pods are enough: `type` Percent or Pods."""

    type: str = ""
    value: int = 0


class CanaryStrategy(Wire, frozen=True):
    """Release in steps."""

    canary_service: str = ""
    stable_service: str = ""
    steps: tuple[CanaryStep, ...] = ()
    traffic_routing: TrafficRouting | None = None
    max_surge: IntOrPercent | None = None
    max_unavailable: IntOrPercent | None = None
    analysis: BackgroundAnalysis | None = None
    anti_affinity: AntiAffinity | None = None
    canary_metadata: PodMetadata | None = None
    stable_metadata: PodMetadata | None = None
    scale_down_delay_seconds: int | None = None
    scale_down_delay_revision_limit: int | None = None
    abort_scale_down_delay_seconds: int | None = None
    dynamic_stable_scale: bool = False
    ping_pong: PingPong | None = None
    min_pods_per_replica_set: int | None = None
    replica_progress_threshold: ReplicaProgressThreshold | None = None


class BlueGreenStrategy(Wire, frozen=True):
    """Release by switching a Service over."""

    active_service: str = ""
    preview_service: str = ""
    preview_replica_count: int | None = None
    auto_promotion_enabled: bool | None = None
    auto_promotion_seconds: int = 0
    max_unavailable: IntOrPercent | None = None
    scale_down_delay_seconds: int | None = None
    scale_down_delay_revision_limit: int | None = None
    abort_scale_down_delay_seconds: int | None = None
    pre_promotion_analysis: RolloutAnalysis | None = None
    post_promotion_analysis: RolloutAnalysis | None = None
    anti_affinity: AntiAffinity | None = None
    preview_metadata: PodMetadata | None = None
    active_metadata: PodMetadata | None = None


class RolloutStrategy(Wire, frozen=True):
    """Exactly one is set."""

    canary: CanaryStrategy | None = None
    blue_green: BlueGreenStrategy | None = None


class WorkloadRef(Wire, frozen=True):
    """Whose template is released: a Deployment, ReplicaSet or PodTemplate.

    `scale_down` is never, onsuccess or progressively.
    """

    api_version: str = ""
    kind: str = ""
    name: str = ""
    scale_down: str = ""


class RollbackWindow(Wire, frozen=True):
    """Going back at most this many revisions skips the steps."""

    revisions: int = 0


class RunHistoryLimits(Wire, frozen=True):
    """How many ended analysis runs and experiments are kept."""

    successful_run_history_limit: int | None = None
    unsuccessful_run_history_limit: int | None = None


class RolloutSpec(Wire, frozen=True):
    """What is asked for."""

    replicas: int | None = None
    selector: LabelSelector | None = None
    template: Object = {}
    workload_ref: WorkloadRef | None = None
    min_ready_seconds: int = 0
    revision_history_limit: int | None = None
    paused: bool = False
    progress_deadline_seconds: int | None = None
    progress_deadline_abort: bool = False
    restart_at: str = ""
    rollback_window: RollbackWindow | None = None
    analysis: RunHistoryLimits = RunHistoryLimits()
    strategy: RolloutStrategy = RolloutStrategy()


class PauseCondition(Wire, frozen=True):
    """Why the controller waits, and since when."""

    reason: str = ""
    start_time: str = ""


class WeightDestination(Wire, frozen=True):
    """The share of traffic that one version has."""

    weight: int
    service_name: str = ""
    pod_template_hash: str = ""


class TrafficWeights(Wire, frozen=True):
    """The split that was last written into the mesh."""

    canary: WeightDestination
    stable: WeightDestination
    additional: tuple[WeightDestination, ...] = ()
    verified: bool | None = None


class RunStatus(Wire, frozen=True):
    """An analysis run as the rollout last saw it."""

    name: str
    status: str
    message: str = ""


class CanaryStatus(Wire, frozen=True):
    """How far a canary is."""

    weights: TrafficWeights | None = None
    current_step_analysis_run_status: RunStatus | None = None
    current_background_analysis_run_status: RunStatus | None = None
    current_experiment: str = ""
    stable_ping_pong: str = ""


class BlueGreenStatus(Wire, frozen=True):
    """How far a blue-green switch is."""

    preview_selector: str = ""
    active_selector: str = ""
    scale_up_preview_check_point: bool = False
    pre_promotion_analysis_run_status: RunStatus | None = None
    post_promotion_analysis_run_status: RunStatus | None = None


class RolloutDuration(Wire, frozen=True):
    """How long the present attempt takes, and how it ended."""

    rollout_started_at: str = ""
    manual_pause_started_at: str = ""
    total_manual_pause_duration_seconds: int | None = None
    finished_at: str = ""
    completion_status: str = ""


class RolloutStatus(Wire, frozen=True):
    """How far it is. `observed_generation` is text, as Argo has it."""

    abort: bool = False
    aborted_at: str = ""
    pause_conditions: tuple[PauseCondition, ...] = ()
    controller_pause: bool = False
    promote_full: bool = False
    current_pod_hash: str = ""
    current_step_hash: str = ""
    current_step_index: int | None = None
    stable_rs: str = msgspec.field(default="", name="stableRS")
    replicas: int = 0
    updated_replicas: int = 0
    ready_replicas: int = 0
    available_replicas: int = 0
    hpa_replicas: int = msgspec.field(default=0, name="HPAReplicas")
    selector: str = ""
    collision_count: int | None = None
    observed_generation: str = ""
    workload_observed_generation: str = ""
    restarted_at: str = ""
    conditions: tuple[Condition, ...] = ()
    canary: CanaryStatus = CanaryStatus()
    blue_green: BlueGreenStatus = BlueGreenStatus()
    duration: RolloutDuration | None = None
    phase: str = ""
    message: str = ""


class Rollout(Wire, frozen=True):
    """A release that goes by steps or by a switch."""

    metadata: ObjectMeta
    spec: RolloutSpec = RolloutSpec()
    status: RolloutStatus = RolloutStatus()
