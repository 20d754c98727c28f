"""Argo Rollouts' AnalysisTemplate, AnalysisRun and Experiment as they stand on the wire."""

from typing import Final

from meshsim.api.decode import Object, Wire
from meshsim.api.meta import Condition, ObjectMeta

COMPLETED_PHASES: Final = frozenset({"Successful", "Failed", "Error", "Inconclusive"})
"""Phases that an analysis run or an experiment never leaves."""


class TemplateRef(Wire, frozen=True):
    """Names an AnalysisTemplate, or a ClusterAnalysisTemplate when `cluster_scope`."""

    template_name: str = ""
    cluster_scope: bool = False


class AnalysisRunArgument(Wire, frozen=True):
    """An argument that a rollout gives an analysis: a value, or where in the rollout to find it."""

    name: str = ""
    value: str | None = None
    value_from: Object | None = None


class Argument(Wire, frozen=True):
    """An argument of a template; `value_from` may name a Secret's key."""

    name: str = ""
    value: str | None = None
    value_from: Object | None = None


class DryRun(Wire, frozen=True):
    """Metrics (a regular expression) that are measured but never count."""

    metric_name: str = ""


class MeasurementRetention(Wire, frozen=True):
    """How many measurements of metrics (a regular expression) are kept."""

    metric_name: str = ""
    limit: int = 0


class Metric(Wire, frozen=True):
    """One thing that is measured. Limits are numbers, or text while arguments are still to be filled in."""

    name: str = ""
    interval: str = ""
    initial_delay: str = ""
    count: int | str | None = None
    success_condition: str = ""
    failure_condition: str = ""
    failure_limit: int | str | None = None
    inconclusive_limit: int | str | None = None
    consecutive_error_limit: int | str | None = None
    consecutive_success_limit: int | str | None = None
    provider: Object = {}


class AnalysisTemplateSpec(Wire, frozen=True):
    """What is measured and how it is judged."""

    metrics: tuple[Metric, ...] = ()
    args: tuple[Argument, ...] = ()
    dry_run: tuple[DryRun, ...] = ()
    measurement_retention: tuple[MeasurementRetention, ...] = ()
    templates: tuple[TemplateRef, ...] = ()


class AnalysisTemplate(Wire, frozen=True):
    """An AnalysisTemplate or a ClusterAnalysisTemplate."""

    metadata: ObjectMeta
    spec: AnalysisTemplateSpec = AnalysisTemplateSpec()


class TtlStrategy(Wire, frozen=True):
    """How many seconds after its end a run is deleted, by how it ended."""

    seconds_after_completion: int | None = None
    seconds_after_failure: int | None = None
    seconds_after_success: int | None = None


class AnalysisRunSpec(Wire, frozen=True):
    """A template with its arguments filled in."""

    metrics: tuple[Metric, ...] = ()
    args: tuple[Argument, ...] = ()
    dry_run: tuple[DryRun, ...] = ()
    measurement_retention: tuple[MeasurementRetention, ...] = ()
    terminate: bool = False
    ttl_strategy: TtlStrategy | None = None


class Measurement(Wire, frozen=True):
    """One reading of a metric. Without `finished_at` it goes on, and is asked about again at `resume_at`."""

    phase: str = ""
    message: str = ""
    started_at: str = ""
    finished_at: str = ""
    value: str = ""
    metadata: dict[str, str] = {}
    resume_at: str = ""

    @property
    def is_in_flight(self) -> bool:
        """It has begun and not ended."""
        return not self.finished_at


class MetricResult(Wire, frozen=True):
    """What the measurements of one metric came to. `count` leaves errors out."""

    name: str = ""
    phase: str = ""
    measurements: tuple[Measurement, ...] = ()
    message: str = ""
    count: int = 0
    successful: int = 0
    failed: int = 0
    inconclusive: int = 0
    error: int = 0
    consecutive_error: int = 0
    consecutive_success: int = 0
    dry_run: bool = False
    metadata: dict[str, str] = {}

    @property
    def last(self) -> Measurement | None:
        """The newest measurement."""
        return self.measurements[-1] if self.measurements else None

    @property
    def is_completed(self) -> bool:
        """Nothing is measured any more."""
        return self.phase in COMPLETED_PHASES


class RunSummary(Wire, frozen=True):
    """How many metrics there are, and how those that are completed ended."""

    count: int = 0
    successful: int = 0
    failed: int = 0
    inconclusive: int = 0
    error: int = 0


class AnalysisRunStatus(Wire, frozen=True):
    """How the run goes."""

    phase: str = ""
    message: str = ""
    started_at: str = ""
    completed_at: str = ""
    metric_results: tuple[MetricResult, ...] = ()
    run_summary: RunSummary = RunSummary()
    dry_run_summary: RunSummary | None = None

    def result(self, metric: str) -> MetricResult | None:
        """What a metric's measurements came to, None before the first."""
        return next((result for result in self.metric_results if result.name == metric), None)


class AnalysisRun(Wire, frozen=True):
    """One run of an analysis."""

    metadata: ObjectMeta
    spec: AnalysisRunSpec = AnalysisRunSpec()
    status: AnalysisRunStatus = AnalysisRunStatus()


class ExperimentTemplateStatus(Wire, frozen=True):
    """How one version of an experiment is."""

    name: str = ""
    status: str = ""
    message: str = ""
    replicas: int = 0
    updated_replicas: int = 0
    ready_replicas: int = 0
    available_replicas: int = 0
    service_name: str = ""
    pod_template_hash: str = ""
    last_transition_time: str = ""


class ExperimentAnalysisStatus(Wire, frozen=True):
    """How one analysis of an experiment is: `name` is the experiment's, `analysis_run` the object's."""

    name: str = ""
    analysis_run: str = ""
    phase: str = ""
    message: str = ""


class ExperimentStatus(Wire, frozen=True):
    """How the experiment goes."""

    phase: str = ""
    message: str = ""
    available_at: str = ""
    template_statuses: tuple[ExperimentTemplateStatus, ...] = ()
    analysis_runs: tuple[ExperimentAnalysisStatus, ...] = ()
    conditions: tuple[Condition, ...] = ()

    def template(self, name: str) -> ExperimentTemplateStatus | None:
        """How the version of that template is."""
        return next((status for status in self.template_statuses if status.name == name), None)

    def analysis(self, name: str) -> ExperimentAnalysisStatus | None:
        """How the analysis of that name is."""
        return next((status for status in self.analysis_runs if status.name == name), None)


class ExperimentSpec(Wire, frozen=True):
    """Versions that run side by side. Templates and analyses stay as written."""

    templates: tuple[Object, ...] = ()
    duration: str = ""
    analyses: tuple[Object, ...] = ()
    progress_deadline_seconds: int | None = None
    scale_down_delay_seconds: int | None = None
    dry_run: tuple[DryRun, ...] = ()
    measurement_retention: tuple[MeasurementRetention, ...] = ()
    analysis_run_metadata: Object | None = None
    terminate: bool = False


class Experiment(Wire, frozen=True):
    """An experiment."""

    metadata: ObjectMeta
    spec: ExperimentSpec = ExperimentSpec()
    status: ExperimentStatus = ExperimentStatus()
