"""The steps of a canary as they stand on the wire, and the analyses they name."""

from meshsim.api.analysis import AnalysisRunArgument, DryRun, MeasurementRetention, TemplateRef
from meshsim.api.decode import Object, Wire
from meshsim.api.meta import LabelSelector


class PodMetadata(Wire, frozen=True):
    """Labels and annotations that pods carry only while they have a role."""

    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}


class RolloutAnalysis(Wire, frozen=True):
    """The analysis of a step or of a promotion."""

    templates: tuple[TemplateRef, ...] = ()
    args: tuple[AnalysisRunArgument, ...] = ()
    dry_run: tuple[DryRun, ...] = ()
    measurement_retention: tuple[MeasurementRetention, ...] = ()
    analysis_run_metadata: PodMetadata = PodMetadata()


class BackgroundAnalysis(RolloutAnalysis, frozen=True):
    """The analysis that runs beside the steps, from `starting_step` on."""

    starting_step: int | None = None


class Pause(Wire, frozen=True):
    """`pause`: with no duration it waits for a person; a number or its text is seconds, else a Go duration."""

    duration: int | str | None = None


class SetCanaryScale(Wire, frozen=True):
    """`setCanaryScale`: how many canary pods, apart from the weight. `replicas` wins over `weight`."""

    replicas: int | None = None
    weight: int | None = None
    match_traffic_weight: bool = False


class StringMatch(Wire, frozen=True):
    """How a text is compared; exactly one is set."""

    exact: str = ""
    prefix: str = ""
    regex: str = ""


class HeaderRoutingMatch(Wire, frozen=True):
    """One alternative of a header route."""

    header_name: str = ""
    header_value: StringMatch | None = None


class SetHeaderRoute(Wire, frozen=True):
    """`setHeaderRoute`: requests with these headers go to the canary; without `match` the route is removed."""

    name: str = ""
    match: tuple[HeaderRoutingMatch, ...] = ()


class RouteMatch(Wire, frozen=True):
    """One alternative of a mirror route; all of it must match."""

    method: StringMatch | None = None
    path: StringMatch | None = None
    headers: dict[str, StringMatch] = {}


class SetMirrorRoute(Wire, frozen=True):
    """`setMirrorRoute`: matching requests are copied to the canary; without `match` the route is removed."""

    name: str = ""
    match: tuple[RouteMatch, ...] = ()
    percentage: int | None = None


class ExperimentTemplate(Wire, frozen=True):
    """One version that an experiment step runs; `spec_ref` is stable or canary."""

    name: str = ""
    spec_ref: str = ""
    replicas: int | None = None
    weight: int | None = None
    metadata: PodMetadata = PodMetadata()
    selector: LabelSelector | None = None
    service: Object | None = None


class ExperimentAnalysis(Wire, frozen=True):
    """One analysis of an experiment step."""

    name: str = ""
    template_name: str = ""
    cluster_scope: bool = False
    args: tuple[AnalysisRunArgument, ...] = ()
    required_for_completion: bool = False


class ExperimentStep(Wire, frozen=True):
    """`experiment`: versions run side by side for a while."""

    templates: tuple[ExperimentTemplate, ...] = ()
    duration: str = ""
    analyses: tuple[ExperimentAnalysis, ...] = ()
    dry_run: tuple[DryRun, ...] = ()
    analysis_run_metadata: PodMetadata = PodMetadata()
    scale_down_delay_seconds: int | None = None


class PluginStep(Wire, frozen=True):
    """`plugin`: out of scope here, refused by name."""

    name: str = ""
    disabled: bool = False
    config: object = None


class CanaryStep(Wire, frozen=True):
    """One step. With several fields set the controller has an order of its own (not the order here)."""

    set_weight: int | None = None
    pause: Pause | None = None
    experiment: ExperimentStep | None = None
    analysis: RolloutAnalysis | None = None
    set_canary_scale: SetCanaryScale | None = None
    set_header_route: SetHeaderRoute | None = None
    set_mirror_route: SetMirrorRoute | None = None
    plugin: PluginStep | None = None
