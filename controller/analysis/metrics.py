"""What a metric asks for: its limits, its times, and whether that makes sense."""

from collections.abc import Callable, Iterable, Sequence
from typing import Final

import re2

from meshsim.api.analysis import DryRun, MeasurementRetention, Metric
from meshsim.api.validate.gotext import GoDurationError, nanoseconds, parse_int

DEFAULT_CONSECUTIVE_ERROR_LIMIT: Final = 4


class InvalidMetricsError(Exception):
    """The metrics of a run make no sense; `str(error)` says why in Argo's words."""


def whole(value: int | str | None, default: int = 0) -> int:
    """A limit as a number; text that is none counts as zero."""
    if value is None:
        return default
    return value if isinstance(value, int) else parse_int(value) or 0


def effective_count(metric: Metric) -> int | None:
    """How often it is measured; None without end."""
    count = whole(metric.count)
    if count:
        return count
    return None if metric.interval else 1


def seconds(duration: str) -> float | None:
    """A Go duration in seconds, None when it is none."""
    try:
        return nanoseconds(duration) / 1e9
    except GoDurationError:
        return None


def check_metrics(metrics: Sequence[Metric]) -> None:
    """Raise InvalidMetricsError for the first thing that is wrong."""
    if not metrics:
        raise InvalidMetricsError("no metrics specified")
    seen: set[str] = set()
    for index, metric in enumerate(metrics):
        wrong = f"duplicate name '{metric.name}'" if metric.name in seen else _first_wrong(metric)
        if wrong:
            raise InvalidMetricsError(f"metrics[{index}]: {wrong}")
        seen.add(metric.name)


def _first_wrong(metric: Metric) -> str:
    for check in (_limits_wrong, _count_wrong, _times_wrong, _provider_wrong):
        wrong = check(metric)
        if wrong:
            return wrong
    return ""


def _limits_wrong(metric: Metric) -> str:
    failures, successes = whole(metric.failure_limit), whole(metric.consecutive_success_limit)
    if successes < 0:
        return "consecutiveSuccessLimit must be >= 0"
    if failures < -1:
        return "failureLimit must be >= 0, or -1 to be disabled"
    if failures == -1 and successes == 0:
        return "failureLimit and consecutiveSuccessLimit cannot both be disabled"
    if whole(metric.inconclusive_limit) < 0:
        return "inconclusiveLimit must be >= 0"
    return "consecutiveErrorLimit must be >= 0" if whole(metric.consecutive_error_limit) < 0 else ""


def _count_wrong(metric: Metric) -> str:
    count, failures = whole(metric.count), whole(metric.failure_limit)
    successes = whole(metric.consecutive_success_limit)
    if count > 0:
        if failures >= 0 and count < failures + successes:
            needed = f"({failures} + {successes})"
            return f"count ({count}) must be >= failureLimit + consecutiveSuccessLimit {needed} if both >= 0"
        if failures < 0 and count < successes:
            return "count must be >= consecutiveSuccessLimit"
        if count < whole(metric.inconclusive_limit):
            return "count must be >= inconclusiveLimit"
    return "interval must be specified when count > 1" if count > 1 and not metric.interval else ""


def _times_wrong(metric: Metric) -> str:
    for name, duration in (("interval", metric.interval), ("startDelay", metric.initial_delay)):
        if duration:
            try:
                nanoseconds(duration)
            except GoDurationError as error:
                return f"invalid {name} string: {error}"
    return ""


def _provider_wrong(metric: Metric) -> str:
    # Each plugin counts as a provider of its own.
    count = sum(len(value) if name == "plugin" else 1 for name, value in metric.provider.items() if value is not None)
    if count == 0:
        return "no provider specified"
    return "multiple providers specified" if count > 1 else ""


def dry_run_names(rules: Sequence[DryRun], names: Iterable[str]) -> frozenset[str]:
    """The metrics that never count. Raises InvalidMetricsError for a rule that matches none."""
    known = list(names)
    matched = [_matching(rule.metric_name, known, f"dryRun[{index}]") for index, rule in enumerate(rules)]
    return frozenset(name for found in matched for name in found)


def retention_limits(rules: Sequence[MeasurementRetention], names: Iterable[str]) -> dict[str, int]:
    """Metric → how many of its measurements are kept. Raises InvalidMetricsError for a rule that matches none."""
    known = list(names)
    limits: dict[str, int] = {}
    for index, rule in enumerate(rules):
        limits |= dict.fromkeys(_matching(rule.metric_name, known, f"measurementRetention[{index}]"), rule.limit)
    return limits


def _matching(pattern: str, names: Iterable[str], rule: str) -> list[str]:
    matches = _matcher(pattern)
    found = [name for name in names if matches(name)]
    if not found:
        raise InvalidMetricsError(f"{rule}: Rule didn't match any metric name(s)")
    return found


def _matcher(pattern: str) -> Callable[[str], bool]:
    options = re2.Options()
    options.log_errors = False
    try:
        compiled = re2.compile(pattern, options)
    except re2.error:
        return lambda _: False
    return lambda name: compiled.search(name) is not None
