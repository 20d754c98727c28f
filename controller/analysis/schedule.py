"""When a run measures: what is due now, and when to look again."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from controller.analysis.metrics import effective_count, seconds
from meshsim.api.analysis import AnalysisRun, AnalysisRunStatus, Measurement, Metric, MetricResult
from meshsim.kit.timestamps import from_rfc3339

ERROR_RETRY_S: Final = 10.0
"""How soon a metric is tried again after an error, and how often one without an interval is measured."""


@dataclass(frozen=True, slots=True)
class Task:
    """A metric to measure now; `in_flight` is the measurement to go on with."""

    metric: str
    in_flight: Measurement | None = None


def is_terminating(run: AnalysisRun) -> bool:
    """It was told to end, or a metric that counts is already bad: the first bad one ends the run."""
    return run.spec.terminate or any(
        result.phase in ("Failed", "Error", "Inconclusive") and not result.dry_run
        for result in run.status.metric_results
    )


def due_tasks(run: AnalysisRun, metrics: Iterable[Metric], now: float) -> Iterator[Task]:
    """What is to be measured now. A run that ends begins nothing new."""
    terminating = is_terminating(run)
    for metric in metrics:
        result = run.status.result(metric.name)
        last = result.last if result else None
        if result is not None and result.is_completed:
            continue
        if last is not None and last.is_in_flight:
            if terminating or not last.resume_at or from_rfc3339(last.resume_at) <= now:
                yield Task(metric.name, last)
        elif not terminating and _is_due(metric, result, run.status, now):
            yield Task(metric.name)


def _is_due(metric: Metric, result: MetricResult | None, status: AnalysisRunStatus, now: float) -> bool:
    last = result.last if result else None
    if result is None or last is None:
        return _is_delay_over(metric, status, now)
    if _is_enough(metric, result):
        return False
    wait_s = _wait_s(metric, last)
    if wait_s is None and not metric.interval:
        wait_s = ERROR_RETRY_S
    return wait_s is not None and now > from_rfc3339(last.finished_at) + wait_s


def _is_delay_over(metric: Metric, status: AnalysisRunStatus, now: float) -> bool:
    if not metric.initial_delay:
        return True
    delay_s = seconds(metric.initial_delay)
    # The delay counts from the run's start, which the first reconcile notes.
    return bool(status.started_at) and delay_s is not None and from_rfc3339(status.started_at) + delay_s <= now


def _is_enough(metric: Metric, result: MetricResult) -> bool:
    count = effective_count(metric)
    return count is not None and result.count >= count


def _wait_s(metric: Metric, last: Measurement) -> float | None:
    """How long after its end a measurement is followed by another; None when its interval says nothing."""
    if last.phase == "Error":
        return ERROR_RETRY_S
    return seconds(metric.interval) if metric.interval else None


def next_time(run: AnalysisRun, metrics: Iterable[Metric], now: float) -> float | None:
    """The earliest instant at which something may be due, None when only a change will tell."""
    return min(_next_times(run, metrics, now), default=None)


def _next_times(run: AnalysisRun, metrics: Iterable[Metric], now: float) -> Iterator[float]:
    for metric in metrics:
        result = run.status.result(metric.name)
        last = result.last if result else None
        if result is not None and result.is_completed:
            continue
        if result is None or last is None:
            delay_s = seconds(metric.initial_delay) if metric.initial_delay else None
            if delay_s is not None:
                yield (from_rfc3339(run.status.started_at) if run.status.started_at else now) + delay_s
        elif last.is_in_flight:
            if last.resume_at:
                yield from_rfc3339(last.resume_at)
        elif not _is_enough(metric, result):
            wait_s = _wait_s(metric, last)
            if wait_s is not None:
                yield from_rfc3339(last.finished_at) + wait_s


def is_ttl_over(run: AnalysisRun, now: float) -> bool:
    """A completed run has lain about long enough to be deleted."""
    strategy, status = run.spec.ttl_strategy, run.status
    if strategy is None or not status.completed_at:
        return False
    ttl_s = {
        "Successful": strategy.seconds_after_success,
        "Failed": strategy.seconds_after_failure,
        "Error": None,
        "Inconclusive": None,
    }.get(status.phase, -1)
    if ttl_s == -1:
        return False
    if ttl_s is None:
        ttl_s = strategy.seconds_after_completion
    return ttl_s is not None and int(now - from_rfc3339(status.completed_at)) > ttl_s


def ttl_end(run: AnalysisRun) -> float | None:
    """The instant at which `is_ttl_over` will be true, None when never."""
    completed = from_rfc3339(run.status.completed_at) if run.status.completed_at else None
    strategy = run.spec.ttl_strategy
    if completed is None or strategy is None:
        return None
    candidates = (strategy.seconds_after_success, strategy.seconds_after_failure, strategy.seconds_after_completion)
    ends = sorted(completed + ttl_s + 1 for ttl_s in candidates if ttl_s is not None)
    return next((end for end in ends if is_ttl_over(run, end)), None)
