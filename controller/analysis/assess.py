"""What measurements come to: the phase of a metric, and of the run."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

import msgspec

from controller.analysis.metrics import DEFAULT_CONSECUTIVE_ERROR_LIMIT, effective_count, whole
from controller.analysis.schedule import is_terminating
from meshsim.api.analysis import COMPLETED_PHASES, AnalysisRun, Measurement, Metric, MetricResult, RunSummary

_WORST_LAST: Final = ("Successful", "Running", "Pending", "Inconclusive", "Error", "Failed")


def is_worse(current: str, new: str) -> bool:
    """Whether a phase is a worse one."""
    rank = {phase: index for index, phase in enumerate(_WORST_LAST)}
    return rank.get(new, 0) > rank.get(current, 0)


def counted(result: MetricResult, measurement: Measurement) -> MetricResult:
    """The result with a measurement that ended; an error leaves `count` alone."""
    counts = {"Successful": "successful", "Failed": "failed", "Inconclusive": "inconclusive", "Error": "error"}
    counter = counts[measurement.phase]
    is_error, is_success = counter == "error", counter == "successful"
    return msgspec.structs.replace(
        result,
        **{counter: getattr(result, counter) + 1},
        count=result.count if is_error else result.count + 1,
        consecutive_error=result.consecutive_error + 1 if is_error else 0,
        consecutive_success=result.consecutive_success + 1 if is_success else 0,
    )


def exceeded_limit(metric: Metric, result: MetricResult) -> tuple[str, str]:
    """The phase that a limit makes and which limit that is; both empty while all are kept.

    Of one metric an error outweighs an inconclusive one, and that a failure.
    """
    phase, reason = "", ""
    failures, inconclusive = whole(metric.failure_limit), whole(metric.inconclusive_limit)
    errors = whole(metric.consecutive_error_limit, DEFAULT_CONSECUTIVE_ERROR_LIMIT)
    if result.failed > failures >= 0:
        phase, reason = "Failed", f"failed ({result.failed}) > failureLimit ({failures})"
    if result.inconclusive > inconclusive:
        phase, reason = "Inconclusive", f"inconclusive ({result.inconclusive}) > inconclusiveLimit ({inconclusive})"
    if result.consecutive_error > errors:
        limit = f"consecutiveErrors ({result.consecutive_error}) > consecutiveErrorLimit ({errors})"
        phase, reason = "Error", limit
    return phase, reason


def metric_phase(metric: Metric, result: MetricResult, *, terminating: bool) -> str:
    """The phase of a metric by its measurements so far."""
    if result.is_completed:
        return result.phase
    if result.last is None:
        return "Successful" if terminating else "Pending"
    if result.last.phase not in COMPLETED_PHASES:
        return "Running"
    exceeded, _ = exceeded_limit(metric, result)
    return exceeded or _phase_within_limits(metric, result) or ("Successful" if terminating else "Running")


def _phase_within_limits(metric: Metric, result: MetricResult) -> str:
    successes = whole(metric.consecutive_success_limit)
    if 0 < successes <= result.consecutive_success:
        return "Successful"
    count = effective_count(metric)
    if count is None or result.count < count:
        return ""
    if successes <= 0:
        return "Successful"
    return "Inconclusive" if whole(metric.failure_limit) >= 0 else "Failed"


@dataclass(frozen=True, slots=True)
class Assessment:
    """What a run comes to. `completed` are the metrics that ended just now, with their phases."""

    phase: str
    message: str
    results: tuple[MetricResult, ...]
    run_summary: RunSummary
    dry_run_summary: RunSummary
    completed: tuple[tuple[str, str], ...]


@dataclass(slots=True)
class _Sum:
    """Adds metrics up to the phase of the run."""

    worst: str = ""
    message: str = ""
    is_complete: bool = True
    counts: dict[bool, dict[str, int]] = field(default_factory=lambda: {False: {}, True: {}})

    def count(self, name: str, *, is_dry: bool) -> None:
        self.counts[is_dry][name] = self.counts[is_dry].get(name, 0) + 1

    def summary(self, *, is_dry: bool) -> RunSummary:
        return RunSummary(**self.counts[is_dry])

    def take(self, metric: Metric, result: MetricResult, *, is_dry: bool) -> MetricResult:
        """Add a completed metric; returns its result, with the reason if it never counts."""
        exceeded, reason = exceeded_limit(metric, result)
        self.count(exceeded.lower() or "successful", is_dry=is_dry)
        if is_dry:
            self.worst = self.worst or "Successful"
            message = f"Metric assessed {result.phase} due to {reason}" if reason else result.message
            return msgspec.structs.replace(result, message=message)
        if not self.worst or is_worse(self.worst, result.phase):
            self.worst = result.phase
            if reason:
                told = f': "Error Message: {result.message}"' if result.message else ""
                self.message = f'Metric "{metric.name}" assessed {result.phase} due to {reason}{told}'
        return result


def assess(run: AnalysisRun, metrics: Iterable[Metric], dry_run: frozenset[str]) -> Assessment:
    """Judge each metric by its measurements, and the run by its metrics."""
    terminating = is_terminating(run)
    total = _Sum(message="Run Terminated" if run.spec.terminate else "")
    results = {result.name: result for result in run.status.metric_results}
    completed: list[tuple[str, str]] = []
    for metric in metrics:
        is_dry = metric.name in dry_run
        total.count("count", is_dry=is_dry)
        result = results.get(metric.name)
        if result is None:
            total.is_complete = False
            continue
        judged = _judged(metric, result, terminating=terminating)
        if judged.is_completed and not result.is_completed:
            completed.append((metric.name, judged.phase))
        if judged.is_completed:
            judged = total.take(metric, judged, is_dry=is_dry)
        else:
            total.is_complete = False
        results[metric.name] = judged
    phase, message = total.worst, total.message.strip()
    if terminating:
        phase = phase or "Successful"
    elif not total.is_complete or not phase:
        phase, message = "Running", ""
    summaries = total.summary(is_dry=False), total.summary(is_dry=True)
    return Assessment(phase, message, tuple(results.values()), *summaries, tuple(completed))


def _judged(metric: Metric, result: MetricResult, *, terminating: bool) -> MetricResult:
    phase = metric_phase(metric, result, terminating=terminating)
    if phase == result.phase:
        return result
    message = result.last.message if result.last else result.message
    return msgspec.structs.replace(result, phase=phase, message=message)
