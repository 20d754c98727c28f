"""Functions over ranges: what rose, how fast, and what it was over a while."""

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Final

from meshsim.telemetry.promql.history import Point

OverRange = Callable[[Sequence[Point], int, int], float | None]
"""Points, start and end of the range in milliseconds → a value, or none."""


def extrapolated(
    points: Sequence[Point], start_ms: int, end_ms: int, *, counts: bool, per_second: bool
) -> float | None:
    """How much a series rose within the range, as far as its points tell, carried on to the range's ends.

    It is carried no further than half a step beyond the first and last point when those are far from the ends, and
    a counter not below the time at which it was zero.
    """
    if len(points) < 2:
        return None
    (first_ms, first), (last_ms, last) = points[0], points[-1]
    rise = last - first
    if counts:
        rise += sum(before for (_, before), (_, after) in pairwise(points) if after < before)
    to_start_s, to_end_s = (first_ms - start_ms) / 1000, (end_ms - last_ms) / 1000
    sampled_s = (last_ms - first_ms) / 1000
    step_s = sampled_s / (len(points) - 1)
    if counts and rise > 0 and first >= 0:
        to_start_s = min(to_start_s, sampled_s * (first / rise))
    span_s = sampled_s
    for to_edge_s in (to_start_s, to_end_s):
        span_s += to_edge_s if to_edge_s < step_s * 1.1 else step_s / 2
    factor = span_s / sampled_s
    if per_second:
        factor /= (end_ms - start_ms) / 1000
    return rise * factor


def _instant(points: Sequence[Point], *, counts: bool, per_second: bool) -> float | None:
    if len(points) < 2:
        return None
    (before_ms, before), (last_ms, last) = points[-2:]
    rise = last if counts and last < before else last - before
    if last_ms == before_ms:
        return None
    return rise / ((last_ms - before_ms) / 1000) if per_second else rise


def _values(points: Sequence[Point]) -> list[float]:
    return [value for _, value in points]


def _mean(points: Sequence[Point]) -> float:
    return math.fsum(_values(points)) / len(points)


def _changes(points: Sequence[Point], is_change: Callable[[float, float], bool]) -> float:
    values = _values(points)
    return float(sum(is_change(before, after) for before, after in pairwise(values)))


def deviation(values: Sequence[float]) -> float:
    """The standard deviation of a whole population."""
    mean = math.fsum(values) / len(values)
    return math.sqrt(math.fsum((value - mean) ** 2 for value in values) / len(values))


def quantile(wanted: float, values: Sequence[float]) -> float:
    """The value below which that share of them lies, between two where it falls between."""
    if not values or math.isnan(wanted):
        return math.nan
    if not 0 <= wanted <= 1:
        return math.inf if wanted > 1 else -math.inf
    ordered = sorted(values)
    rank = wanted * (len(ordered) - 1)
    low = math.floor(rank)
    high = min(len(ordered) - 1, low + 1)
    weight = rank - low
    return ordered[low] * (1 - weight) + ordered[high] * weight


OVER_RANGES: Final[dict[str, OverRange]] = {
    "rate": lambda p, start, end: extrapolated(p, start, end, counts=True, per_second=True),
    "increase": lambda p, start, end: extrapolated(p, start, end, counts=True, per_second=False),
    "delta": lambda p, start, end: extrapolated(p, start, end, counts=False, per_second=False),
    "irate": lambda p, _start, _end: _instant(p, counts=True, per_second=True),
    "idelta": lambda p, _start, _end: _instant(p, counts=False, per_second=False),
    "resets": lambda p, _start, _end: _changes(p, lambda before, after: after < before),
    "changes": lambda p, _start, _end: _changes(p, lambda before, after: after != before),
    "avg_over_time": lambda p, _start, _end: _mean(p),
    "sum_over_time": lambda p, _start, _end: math.fsum(_values(p)),
    "min_over_time": lambda p, _start, _end: min(_values(p)),
    "max_over_time": lambda p, _start, _end: max(_values(p)),
    "count_over_time": lambda p, _start, _end: float(len(p)),
    "last_over_time": lambda p, _start, _end: p[-1][1],
    "present_over_time": lambda _p, _start, _end: 1.0,
    "stddev_over_time": lambda p, _start, _end: deviation(_values(p)),
    "stdvar_over_time": lambda p, _start, _end: deviation(_values(p)) ** 2,
}
KEEPS_NAME: Final = frozenset({"last_over_time"})
