"""How fast the number of replicas may change: bounds, stabilization, policies. Pure.

Facts: k8s.io/kubernetes pkg/controller/podautoscaler (horizontal.go).
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from controller.hpa.conditions import Said
from meshsim.api.autoscaling import Behavior, ScalingPolicy, ScalingRules

DOWN_WINDOW_S: Final = 300
"""For so long the highest recommendation counts on the way down, unless a behavior says otherwise."""
_UP_FACTOR: Final = 2
_UP_MINIMUM: Final = 4
_LONGEST_S: Final = 3600.0
"""No window and no period is longer."""


class Recommendation(NamedTuple):
    """How many replicas the metrics asked for, and when."""

    replicas: int
    at: float


class Change(NamedTuple):
    """By how many replicas the scale was changed, and when."""

    replicas: int
    at: float


@dataclass(frozen=True, slots=True)
class History:
    """What an autoscaler remembers; it is lost with the process, as a real one's is."""

    recommendations: tuple[Recommendation, ...] = ()
    changes: tuple[Change, ...] = ()

    def recommended(self, replicas: int, now: float) -> "History":
        """With one more recommendation, and without those that can't count any more."""
        kept = (each for each in self.recommendations if each.at > now - _LONGEST_S)
        return replace(self, recommendations=(*kept, Recommendation(replicas, now)))

    def changed(self, by: int, now: float) -> "History":
        """With one more change of the scale."""
        kept = (each for each in self.changes if each.at > now - _LONGEST_S)
        return replace(self, changes=(*kept, Change(by, now)))


@dataclass(frozen=True, slots=True)
class Paced:
    """How many replicas to ask for now, and what the conditions say about it."""

    replicas: int
    able: Said
    limited: Said
    is_limited: bool


@dataclass(frozen=True, slots=True)
class Bounds:
    """Where the scale is, and the least and the most it may be."""

    current: int
    least: int
    most: int


READY: Final = Said("ReadyForNewScale", "recommended size matches current size")
_IN_RANGE: Final = Said("DesiredWithinRange", "the desired count is within the acceptable range")
_TOO_MANY: Final = Said("TooManyReplicas", "the desired replica count is more than the maximum replica count")
_TOO_FEW: Final = Said("TooFewReplicas", "the desired replica count is less than the minimum replica count")
_UP_LIMIT: Final = Said("ScaleUpLimit", "the desired replica count is increasing faster than the maximum scale rate")
_DOWN_LIMIT: Final = Said(
    "ScaleDownLimit", "the desired replica count is decreasing faster than the maximum scale rate"
)
_UP_STABLE: Final = Said(
    "ScaleUpStabilized", "recent recommendations were lower than current one, applying the lowest recent recommendation"
)
_DOWN_STABLE: Final = Said(
    "ScaleDownStabilized",
    "recent recommendations were higher than current one, applying the highest recent recommendation",
)


def paced(wanted: int, bounds: Bounds, behavior: Behavior | None, history: History, now: float) -> Paced:
    """What the wish of the metrics becomes; the history is that before this wish."""
    if behavior is None:
        recent = [each.replicas for each in history.recommendations if each.at >= now - DOWN_WINDOW_S]
        stable = max([wanted, *recent])
        able = _DOWN_STABLE if stable != wanted else READY
        replicas, limited = _within_defaults(stable, bounds)
    else:
        stable = _stabilized(wanted, bounds.current, behavior, history, now)
        moved = _UP_STABLE if wanted >= bounds.current else _DOWN_STABLE
        able = moved if stable != wanted else READY
        replicas, limited = _within_rules(stable, bounds, behavior, history, now)
    return Paced(replicas, able, limited, replicas != stable)


def _within_defaults(wanted: int, bounds: Bounds) -> tuple[int, Said]:
    up_limit = max(_UP_FACTOR * bounds.current, _UP_MINIMUM)
    most, said = (up_limit, _UP_LIMIT) if bounds.most > up_limit else (bounds.most, _TOO_MANY)
    if wanted < bounds.least:
        return bounds.least, _TOO_FEW
    return (most, said) if wanted > most else (wanted, _IN_RANGE)


def _stabilized(wanted: int, current: int, behavior: Behavior, history: History, now: float) -> int:
    up_s = behavior.scale_up.stabilization_window_seconds or 0
    down_s = behavior.scale_down.stabilization_window_seconds
    down_s = DOWN_WINDOW_S if down_s is None else down_s
    recent = history.recommendations
    lowest = min([wanted, *(each.replicas for each in recent if each.at > now - up_s)])
    highest = max([wanted, *(each.replicas for each in recent if each.at > now - down_s)])
    return min(max(current, lowest), highest)


def _within_rules(wanted: int, bounds: Bounds, behavior: Behavior, history: History, now: float) -> tuple[int, Said]:
    current = bounds.current
    if wanted > current:
        limit = max(_limit(behavior.scale_up, current, history, now, up=True), current)
        most, said = (limit, _UP_LIMIT) if bounds.most > limit else (bounds.most, _TOO_MANY)
        return (most, said) if wanted > most else (wanted, _IN_RANGE)
    if wanted < current:
        limit = min(_limit(behavior.scale_down, current, history, now, up=False), current)
        least, said = (limit, _DOWN_LIMIT) if bounds.least < limit else (bounds.least, _TOO_FEW)
        return (least, said) if wanted < least else (wanted, _IN_RANGE)
    return wanted, _IN_RANGE


def _limit(rules: ScalingRules, current: int, history: History, now: float, *, up: bool) -> int:
    """How far the policies let the number go; of several the selected one counts."""
    if rules.select_policy == "Disabled" or not rules.policies:
        return current
    reached = [_reach(policy, current, history, now, up=up) for policy in rules.policies]
    # The smallest change is the lowest number on the way up, and the highest on the way down.
    select: Callable[[Iterable[int]], int] = max if up == (rules.select_policy != "Min") else min
    return select(reached)


def _reach(policy: ScalingPolicy, current: int, history: History, now: float, *, up: bool) -> int:
    at_start = current - sum(each.replicas for each in history.changes if each.at > now - policy.period_seconds)
    if policy.type == "Pods":
        return at_start + policy.value if up else at_start - policy.value
    if up:
        return math.ceil(at_start * (100 + policy.value) / 100)
    return math.trunc(at_start * (100 - policy.value) / 100)
