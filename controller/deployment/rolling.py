"""How many pods each ReplicaSet of a rolling update may have now. Pure; the rules are Kubernetes' (rolling.go).

Never more pods than `replicas + surge`, never fewer available ones than `replicas - unavailable`.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from meshsim.api.core import ReplicaSet
from meshsim.api.workloads import Deployment


class Bounds(NamedTuple):
    """How many pods more, and how many available ones fewer, than are wanted."""

    surge: int
    unavailable: int


def bounds_of(deployment: Deployment) -> Bounds:
    """The bounds in pods: a surge is rounded up, unavailability down, and they are never both zero."""
    replicas, update = deployment.spec.replicas, deployment.spec.strategy.rolling_update
    surge = _pods(update.max_surge, replicas, math.ceil)
    unavailable = min(_pods(update.max_unavailable, replicas, math.floor), replicas)
    return Bounds(surge, unavailable if surge or unavailable else 1)


def rolling_replicas(deployment: Deployment, new: ReplicaSet | None, old: Sequence[ReplicaSet]) -> Mapping[str, int]:
    """The ReplicaSets to scale now, by name: the new one first, the old ones once that stands.

    `old` is in the order of their creation.
    """
    bounds = bounds_of(deployment)
    if new is not None:
        wanted = _new_replicas(deployment, new, old, bounds)
        if wanted != new.spec.replicas:
            return {new.metadata.name: wanted}
    return _old_replicas(deployment, new, old, bounds)


def _new_replicas(deployment: Deployment, new: ReplicaSet, old: Sequence[ReplicaSet], bounds: Bounds) -> int:
    replicas = deployment.spec.replicas
    if new.spec.replicas >= replicas:
        return replicas
    room = replicas + bounds.surge - new.spec.replicas - sum(each.spec.replicas for each in old)
    return min(new.spec.replicas + max(room, 0), replicas)


def _old_replicas(
    deployment: Deployment, new: ReplicaSet | None, old: Sequence[ReplicaSet], bounds: Bounds
) -> Mapping[str, int]:
    left = {each.metadata.name: each.spec.replicas for each in old}
    fewest = deployment.spec.replicas - bounds.unavailable
    # Pods of the new version count only once they are available.
    come_up = 0 if new is None else min(new.spec.replicas, new.status.available_replicas)
    spare = sum(left.values()) + come_up - fewest
    if spare <= 0:
        return {}
    for each in old:
        # Those that aren't available anyway go first: nobody misses them.
        missing = max(each.spec.replicas - each.status.available_replicas, 0)
        spare -= _take(left, each.metadata.name, min(missing, spare))
    spare = come_up + sum(each.status.available_replicas for each in old) - fewest
    for each in old:
        spare -= _take(left, each.metadata.name, spare)
    return {
        each.metadata.name: left[each.metadata.name] for each in old if left[each.metadata.name] != each.spec.replicas
    }


def _take(left: dict[str, int], name: str, wanted: int) -> int:
    taken = max(min(left[name], wanted), 0)
    left[name] -= taken
    return taken


def _pods(setting: int | str, replicas: int, rounded: Callable[[float], int]) -> int:
    if isinstance(setting, int):
        return max(setting, 0)
    text = setting.removesuffix("%")
    return rounded(int(text) * replicas / 100) if text.isdecimal() else 0
