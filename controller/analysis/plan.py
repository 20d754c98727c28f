"""One reconcile of an analysis run, decided in three strokes: is it sound, what is due, what do the answers come to."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

import msgspec

from controller.analysis.arguments import resolved_metric, without_secrets
from controller.analysis.assess import assess, counted
from controller.analysis.metrics import InvalidMetricsError, check_metrics, dry_run_names, retention_limits
from controller.analysis.schedule import Task, due_tasks, is_terminating, next_time
from meshsim.api.analysis import COMPLETED_PHASES, AnalysisRun, AnalysisRunStatus, Measurement, Metric, MetricResult
from meshsim.api.templates import UnresolvedError
from meshsim.kit.timestamps import to_rfc3339

_KEPT_MEASUREMENTS: Final = 10
_REDACTED: Final = "*****"


class UnsoundError(Exception):
    """The run can't be reconciled at all; `str(error)` becomes its message."""


@dataclass(frozen=True, slots=True)
class Sound:
    """A run that makes sense: its metrics with their arguments put in (but for Secrets), and its rules."""

    run: AnalysisRun
    metrics: tuple[Metric, ...]
    dry_run: frozenset[str]
    retention: Mapping[str, int]

    @property
    def terminating(self) -> bool:
        """It only ends what is in flight."""
        return is_terminating(self.run)

    def tasks(self, now: float) -> tuple[Task, ...]:
        """What is to be measured now."""
        return tuple(due_tasks(self.run, self.metrics, now))


@dataclass(frozen=True, slots=True)
class Answer:
    """What a provider said about one task, and what there is to know about the metric."""

    task: Task
    measurement: Measurement
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Trimmed:
    """Measurements of a metric that are no longer kept."""

    metric: Metric
    measurements: tuple[Measurement, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """The status to write, when to look again, and what came of it."""

    status: AnalysisRunStatus
    wake_at: float | None = None
    completed: tuple[tuple[str, str], ...] = ()
    """Metrics that ended just now, with their phases."""
    trimmed: tuple[Trimmed, ...] = ()


def check(run: AnalysisRun) -> Sound:
    """Raise UnsoundError unless the run makes sense."""
    try:
        metrics = tuple(resolved_metric(metric, without_secrets(run.spec.args)) for metric in run.spec.metrics)
    except UnresolvedError as error:
        raise UnsoundError(f"Unable to resolve metric arguments: {error}") from None
    names = [metric.name for metric in metrics]
    try:
        check_metrics(metrics)
        dry_run = dry_run_names(run.spec.dry_run, names)
        retention = retention_limits(run.spec.measurement_retention, names)
    except InvalidMetricsError as error:
        raise UnsoundError(f"Analysis spec invalid: {error}") from None
    return Sound(run, metrics, dry_run, retention)


def unsound_status(run: AnalysisRun, reason: str) -> AnalysisRunStatus:
    """The status of a run that can't be reconciled. As in Argo it gets no time of completion."""
    return msgspec.structs.replace(run.status, phase="Error", message=reason)


def conclude(sound: Sound, answers: Iterable[Answer], now: float, secrets: Iterable[str] = ()) -> Outcome:
    """Take the answers in and judge what there is now. What Secrets hold is struck from what is told."""
    hidden = tuple(secret for secret in secrets if secret)
    status = sound.run.status
    for answer in answers:
        status = _taken_in(status, answer, sound.dry_run, now, hidden)
    measured = msgspec.structs.replace(sound.run, status=status)
    assessment = assess(measured, sound.metrics, sound.dry_run)
    is_new = assessment.phase != status.phase
    is_over = is_new and assessment.phase in COMPLETED_PHASES
    results, trimmed = trimmed_results(assessment.results, sound)
    status = AnalysisRunStatus(
        phase=assessment.phase,
        message=assessment.message if is_new else status.message,
        started_at=status.started_at or to_rfc3339(now),
        completed_at=status.completed_at or (to_rfc3339(now) if is_over else ""),
        metric_results=results,
        run_summary=assessment.run_summary,
        dry_run_summary=assessment.dry_run_summary,
    )
    wake_at = next_time(msgspec.structs.replace(measured, status=status), sound.metrics, now)
    return Outcome(status, None if is_over else wake_at, assessment.completed, trimmed)


def _taken_in(
    status: AnalysisRunStatus, answer: Answer, dry_run: frozenset[str], now: float, hidden: tuple[str, ...]
) -> AnalysisRunStatus:
    name, told = answer.task.metric, answer.measurement
    metadata = {key: _redacted(text, hidden) for key, text in told.metadata.items()}
    measurement = msgspec.structs.replace(told, message=_redacted(told.message, hidden), metadata=metadata)
    shown = {key: _redacted(text, hidden) for key, text in answer.metadata.items()}
    result = status.result(name) or MetricResult(name=name, phase="Running", dry_run=name in dry_run, metadata=shown)
    if measurement.phase in COMPLETED_PHASES:
        finished_at = measurement.finished_at or to_rfc3339(now)
        measurement = msgspec.structs.replace(measurement, finished_at=finished_at)
        result = counted(result, measurement)
    before = result.measurements[:-1] if answer.task.in_flight is not None else result.measurements
    result = msgspec.structs.replace(result, measurements=(*before, measurement))
    results = {known.name: known for known in status.metric_results} | {name: result}
    return msgspec.structs.replace(status, metric_results=tuple(results.values()))


def _redacted(text: str, hidden: Iterable[str]) -> str:
    for secret in hidden:
        text = text.replace(secret, _REDACTED)
    return text


def trimmed_results(
    results: Iterable[MetricResult], sound: Sound, most: int = _KEPT_MEASUREMENTS
) -> tuple[tuple[MetricResult, ...], tuple[Trimmed, ...]]:
    """The results with the newest measurements only, and what that drops."""
    metrics = {metric.name: metric for metric in sound.metrics}
    kept: list[MetricResult] = []
    trimmed: list[Trimmed] = []
    for result in results:
        limit = sound.retention.get(result.name, 0)
        excess = len(result.measurements) - (limit if limit > 0 else most)
        if excess <= 0 or result.name not in metrics:
            kept.append(result)
            continue
        trimmed.append(Trimmed(metrics[result.name], result.measurements[:excess]))
        kept.append(msgspec.structs.replace(result, measurements=result.measurements[excess:]))
    return tuple(kept), tuple(trimmed)
