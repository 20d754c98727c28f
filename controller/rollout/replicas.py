"""How many pods each version shall have: Argo's arithmetic, integers throughout.

`new` is the version of the present pod template, `stable` the one that was last promoted, `others` all the rest.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple

from controller.rollout.steps import canary_scale_in_use
from controller.rollout.versions import Version, total_asked, total_available, with_hash
from meshsim.api.progress import current_set_weight, max_weight
from meshsim.api.rollouts import IntOrPercent, ReplicaProgressThreshold, Rollout, TrafficWeights
from meshsim.api.routes import canary_of

_DEFAULT_FENCEPOST: Final = "25%"
_TOLERANCE: Final = 1e-10


class Counts(NamedTuple):
    """Pods of the canary and of the stable version."""

    canary: int
    stable: int


def desired_replicas(rollout: Rollout) -> int:
    """`spec.replicas`, 1 when it is not given."""
    return 1 if rollout.spec.replicas is None else rollout.spec.replicas


def max_surge(rollout: Rollout) -> int:
    """How many pods may exist beyond the desired ones; 0 for blueGreen."""
    canary = rollout.spec.strategy.canary
    return _fenceposts(canary.max_surge, canary.max_unavailable, desired_replicas(rollout))[0] if canary else 0


def max_unavailable(rollout: Rollout) -> int:
    """How many of the desired pods may be missing."""
    replicas = desired_replicas(rollout)
    if replicas == 0:
        return 0
    blue_green, canary = rollout.spec.strategy.blue_green, canary_of(rollout)
    if blue_green is not None:
        return _value(blue_green.max_unavailable, replicas, math.floor)
    return min(_fenceposts(canary.max_surge, canary.max_unavailable, replicas)[1], replicas)


def _fenceposts(surge: IntOrPercent | None, unavailable: IntOrPercent | None, replicas: int) -> tuple[int, int]:
    most_surge, most_unavailable = _value(surge, replicas, math.ceil), _value(unavailable, replicas, math.floor)
    # With both at zero nothing could ever be replaced.
    return (0, 1) if most_surge == most_unavailable == 0 else (most_surge, most_unavailable)


def _value(setting: IntOrPercent | None, replicas: int, rounded: Callable[[float], int]) -> int:
    """An integer is absolute, any text a percentage; text that is no number counts as 0."""
    if isinstance(setting, int):
        return setting
    text = (_DEFAULT_FENCEPOST if setting is None else setting).replace("%", "")
    try:
        return rounded(int(text) * replicas / 100)
    except ValueError:
        return 0


def weight_to_replicas(weight: int, replicas: int, most: int) -> int:
    """The pods that carry that share of the traffic, rounded up."""
    return -(-weight * replicas // most)


def canary_replicas_or_weight(rollout: Rollout, new: Version | None, stable: Version | None) -> tuple[int | None, int]:
    """What decides the canary's size: an explicit number of pods, else a weight."""
    status = rollout.status
    if status.promote_full or not status.stable_rs or status.current_pod_hash == status.stable_rs:
        return None, max_weight(rollout)
    scale = canary_scale_in_use(rollout)
    if scale is not None and scale.replicas is not None:
        return scale.replicas, 0
    if scale is not None and scale.weight is not None:
        return None, scale.weight
    return None, desired_canary_weight(rollout, new, stable)


def desired_canary_weight(rollout: Rollout, new: Version | None, stable: Version | None) -> int:
    """The weight that the steps ask for; during an abort with `dynamicStableScale`, the step to fall back to next."""
    canary = canary_of(rollout)
    if not (rollout.status.abort and canary.dynamic_stable_scale and new and stable):
        return current_set_weight(rollout)
    replicas, most = desired_replicas(rollout), max_weight(rollout)
    missing = replicas - stable.available
    has_delay = canary.abort_scale_down_delay_seconds is not None and canary.abort_scale_down_delay_seconds > 0
    canary_pods = missing if has_delay else max(missing, new.available)
    for step in reversed(canary.steps):
        if step.set_weight is not None and weight_to_replicas(step.set_weight, replicas, most) < canary_pods:
            return step.set_weight
    return 0


def routed_counts(
    rollout: Rollout, new: Version | None, stable: Version | None, weights: TrafficWeights | None
) -> Counts:
    """Pods when traffic is split by weight; `weights` is the split that the pods must be able to carry."""
    replicas, most, canary = desired_replicas(rollout), max_weight(rollout), canary_of(rollout)
    explicit, weight = canary_replicas_or_weight(rollout, new, stable)
    canary_pods = weight_to_replicas(weight, replicas, most) if explicit is None else explicit
    if not canary.dynamic_stable_scale:
        # An explicit number is left as it is, also below minPodsPerReplicaSet.
        return Counts(_at_least_min_pods(rollout, canary_pods) if explicit is None else canary_pods, replicas)
    stable_pods = weight_to_replicas(most - weight, replicas, most)
    if weights is not None:
        stable_pods = max(stable_pods, weight_to_replicas(weights.stable.weight, replicas, most))
        if rollout.status.abort:
            canary_pods = max(canary_pods, weight_to_replicas(weights.canary.weight, replicas, most))
    return Counts(_at_least_min_pods(rollout, canary_pods), _at_least_min_pods(rollout, stable_pods))


def _at_least_min_pods(rollout: Rollout, pods: int) -> int:
    canary = canary_of(rollout)
    if pods == 0 or canary.traffic_routing is None or canary.min_pods_per_replica_set is None:
        return pods
    return max(pods, min(canary.min_pods_per_replica_set, desired_replicas(rollout)))


def approximate_counts(replicas: int, weight: int, most: int, surge: int) -> Counts:
    """The split into whole pods, with at most one beyond `replicas`, that comes closest to the weight."""
    if replicas == 0:
        return Counts(0, 0)
    up, down = -(-replicas * weight // most), replicas * weight // most
    zero_is_fine = weight in (0, most) or (replicas == 1 and surge == 0)
    candidates: list[tuple[int, int]] = []
    for total in (replicas, replicas + 1) if surge > 0 else (replicas,):
        if up < replicas or zero_is_fine or total > replicas:
            candidates.append((up, total))
        if math.fmod(total * (weight / most), 1) != 0.5 and (down != 0 or zero_is_fine):
            candidates.append((down, total))
    if not candidates:
        return Counts(0, replicas)
    canary, total = min(candidates, key=lambda counts: abs(counts[0] * most / counts[1] - weight))
    return Counts(canary, total - canary)


def basic_counts(
    rollout: Rollout, new: Version | None, stable: Version | None, others: Sequence[Version | None]
) -> Counts:
    """The next pods when traffic follows the pods: up within maxSurge first, then down within maxUnavailable."""
    replicas, surge = desired_replicas(rollout), max_surge(rollout)
    _, weight = canary_replicas_or_weight(rollout, new, stable)
    target = approximate_counts(replicas, weight, max_weight(rollout), surge)
    if stable is None or (new is not None and stable.name == new.name):
        stable, target = None, Counts(replicas, 0)
    next_counts = _scale_up(target, new, stable, replicas + surge - total_asked((*others, new, stable)))
    if total_asked(others) > 0:
        # The rest goes first.
        return next_counts
    return _scale_down(rollout, target, next_counts, new, stable)


def _scale_up(target: Counts, new: Version | None, stable: Version | None, room: int) -> Counts:
    canary_pods, stable_pods = new.replicas if new else 0, stable.replicas if stable else 0
    if stable and stable.replicas < target.stable and room > 0:
        added = min(room, target.stable - stable.replicas)
        stable_pods, room = stable.replicas + added, room - added
    if new and new.replicas < target.canary and room > 0:
        canary_pods = min(new.replicas + room, target.canary)
    return Counts(canary_pods, stable_pods)


def _scale_down(
    rollout: Rollout, target: Counts, counts: Counts, new: Version | None, stable: Version | None
) -> Counts:
    grows = new is None or target.canary >= new.replicas
    must_stay = desired_replicas(rollout) - max_unavailable(rollout)
    may_go = replicas_for_scale_down(new, ignore_availability=not grows)
    may_go += replicas_for_scale_down(stable, ignore_availability=grows)
    if may_go <= must_stay:
        return counts
    canary_pods, stable_pods, down = *counts, may_go - must_stay
    if not grows:
        if new and new.replicas > target.canary:
            canary_pods = max(target.canary, new.replicas - down)
        canary_pods, stable_pods = _fit(rollout, (new, canary_pods), (stable, stable_pods))
    elif stable:
        if stable.replicas > target.stable:
            stable_pods = max(target.stable, stable.replicas - down)
        stable_pods, canary_pods = _fit(rollout, (stable, stable_pods), (new, canary_pods))
    return Counts(canary_pods, stable_pods)


def _fit(
    rollout: Rollout, drained: tuple[Version | None, int], adjusted: tuple[Version | None, int]
) -> tuple[int, int]:
    """Make both sizes fit between min available and replicas + surge, changing the adjusted one first."""
    most, must_stay = (
        desired_replicas(rollout) + max_surge(rollout),
        desired_replicas(rollout) - max_unavailable(rollout),
    )
    (drained_version, drain), (adjusted_version, adjust) = drained, adjusted
    over = max(0, adjust + drain - most)
    available = min(drained_version.available if drained_version else 0, drain)
    if adjusted_version is None:
        return drain, adjust
    adjust -= over
    available += min(adjusted_version.available, adjust)
    lost = max(0, adjusted_version.available - adjust)
    adjust += min(lost, max(0, must_stay - available))
    return drain - max(0, adjust + drain - most), adjust


def replicas_for_scale_down(version: Version | None, *, ignore_availability: bool) -> int:
    """How many of its pods count as available when others shall be taken away."""
    if version is None:
        return 0
    if version.replicas < version.available or ignore_availability:
        return version.replicas
    return version.available


def threshold_met(threshold: ReplicaProgressThreshold | None, version: Version | None, desired: int) -> bool:
    """Whether enough pods are available; without a threshold all must be, and no more may be asked for."""
    if version is None:
        return False
    if threshold is None or threshold.value < 0:
        return version.replicas == desired == version.available
    if threshold.type == "Pods":
        # The desired count plays no part here.
        return version.available >= threshold.value
    return desired == 0 or version.available / desired * 100 >= threshold.value - _TOLERANCE


def at_desired_counts(
    rollout: Rollout,
    new: Version | None,
    stable: Version | None,
    others: Iterable[Version | None],
    weights: TrafficWeights | None,
) -> bool:
    """Whether the pods are as the current step wants them."""
    canary, others = canary_of(rollout), tuple(others)
    if canary.traffic_routing is None:
        counts = basic_counts(rollout, new, stable, others)
    else:
        counts = routed_counts(rollout, new, stable, weights)
    if not threshold_met(canary.replica_progress_threshold, new, counts.canary):
        return False
    is_dynamic = canary.traffic_routing is not None and canary.dynamic_stable_scale
    if not is_dynamic and (stable is None or not stable.replicas == counts.stable == stable.current):
        # Created is enough: they need not be available.
        return False
    return canary.traffic_routing is not None or total_available(others) == 0


def new_version_replicas(
    rollout: Rollout, new: Version | None, versions: Sequence[Version], weights: TrafficWeights | None
) -> int:
    """How many pods the new version shall have. Raises ValueError without a strategy: no such rollout gets here."""
    if rollout.spec.strategy.blue_green is not None:
        return _preview_replicas(rollout, new, versions)
    if rollout.spec.strategy.canary is None:
        raise ValueError("no rollout strategy provided")
    stable = with_hash(versions, rollout.status.stable_rs)
    if canary_of(rollout).traffic_routing is not None:
        return routed_counts(rollout, new, stable, weights).canary
    names = {version.name for version in (new, stable) if version}
    others = [version for version in versions if version.name not in names]
    return basic_counts(rollout, new, stable, others).canary


def _preview_replicas(rollout: Rollout, new: Version | None, versions: Sequence[Version]) -> int:
    blue_green, status, replicas = rollout.spec.strategy.blue_green, rollout.status, desired_replicas(rollout)
    if blue_green is None or blue_green.preview_replica_count is None or status.promote_full:
        return replicas
    active = with_hash(versions, status.blue_green.active_selector)
    if active is None or new is None or active.name == new.name:
        return replicas
    is_update = new.hash != status.current_pod_hash
    is_paused = rollout.spec.paused or bool(status.pause_conditions)
    if not is_update and not is_paused and status.blue_green.scale_up_preview_check_point:
        return replicas
    return blue_green.preview_replica_count
