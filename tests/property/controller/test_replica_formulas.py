"""The controller's arithmetic against the formulas as they are written down, worked out anew here, with any numbers."""

import math
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.rollout.draft import Draft
from controller.rollout.observed import Observed
from controller.rollout.replicas import approximate_counts, basic_counts, routed_counts
from controller.rollout.versions import Version, version_of
from controller.rollout.weights import weight_on_the_way_back
from meshsim.api.decode import Object, decode
from meshsim.api.rollouts import HASH_LABEL, Rollout, TrafficWeights

pytestmark = pytest.mark.property

_SMALL = st.integers(0, 12)
_WEIGHT = st.integers(0, 100)
_FEW = st.integers(0, 4)
_SCALES = st.one_of(
    st.builds(lambda pods: {"replicas": pods}, _SMALL),
    st.builds(lambda weight: {"weight": weight}, _WEIGHT),
    st.just({"matchTrafficWeight": True}),
)
_STEPS = st.lists(
    st.one_of(
        st.builds(lambda weight: {"setWeight": weight}, _WEIGHT),
        st.just({"pause": {}}),
        st.builds(lambda scale: {"setCanaryScale": scale}, _SCALES),
    ),
    max_size=6,
)


@dataclass(frozen=True)
class World:
    """The numbers that the formulas speak of."""

    replicas: int
    steps: list[Object]
    index: int
    abort: bool
    promote_full: bool
    is_dynamic: bool
    abort_delay: int | None
    min_pods: int | None
    new: tuple[int, int]
    stable: tuple[int, int]
    weight: int | None

    @property
    def rollout(self) -> Rollout:
        canary: Object = {"trafficRouting": {"istio": {}}, "steps": self.steps, "dynamicStableScale": self.is_dynamic}
        for name, value in (
            ("abortScaleDownDelaySeconds", self.abort_delay),
            ("minPodsPerReplicaSet", self.min_pods),
        ):
            if value is not None:
                canary[name] = value
        status: Object = {"stableRS": "old", "currentPodHash": "new", "currentStepIndex": self.index}
        status |= {"abort": self.abort, "promoteFull": self.promote_full}
        if self.weight is not None:
            weights = {"canary": {"weight": self.weight}, "stable": {"weight": 100 - self.weight}}
            status["canary"] = {"weights": weights}
        spec = {"replicas": self.replicas, "strategy": {"canary": canary}}
        return decode(Rollout, {"metadata": {}, "spec": spec, "status": status})

    @property
    def weights(self) -> TrafficWeights | None:
        return self.rollout.status.canary.weights


def _pods() -> st.SearchStrategy[tuple[int, int]]:
    """Asked for, and available."""
    return st.tuples(_SMALL, _SMALL).map(lambda pods: (max(pods), min(pods)))


@st.composite
def worlds(draw: st.DrawFn) -> World:
    steps = draw(_STEPS)
    return World(
        replicas=draw(_SMALL),
        steps=steps,
        index=draw(st.integers(0, len(steps))),
        abort=draw(st.booleans()),
        promote_full=draw(st.booleans()),
        is_dynamic=draw(st.booleans()),
        abort_delay=draw(st.sampled_from([None, 0, 15])),
        min_pods=draw(st.sampled_from([None, 0, 2, 5])),
        new=draw(_pods()),
        stable=draw(_pods()),
        weight=draw(st.one_of(st.none(), _WEIGHT)),
    )


def version(pod_hash: str, pods: tuple[int, int]) -> Version:
    asked, available = pods
    metadata = {"name": pod_hash, "labels": {HASH_LABEL: pod_hash}}
    status = {"replicas": asked, "availableReplicas": available}
    return version_of({"metadata": metadata, "spec": {"replicas": asked}, "status": status})


def pods_for(world: World, weight: int) -> int:
    return math.ceil(weight * world.replicas / 100)


def at_least_min(world: World, pods: int) -> int:
    return 0 if pods == 0 else max(pods, min(world.min_pods or 0, world.replicas))


def written_weight(world: World) -> int:
    """`GetDesiredCanaryWeight`."""
    if world.abort and world.is_dynamic:
        missing = world.replicas - world.stable[1]
        pods = missing if (world.abort_delay or 0) > 0 else max(missing, world.new[1])
        found = [
            s["setWeight"] for s in reversed(world.steps) if "setWeight" in s and pods_for(world, s["setWeight"]) < pods
        ]
        return found[0] if found else 0
    if world.abort:
        return 0
    if not world.steps or world.index >= len(world.steps):
        return 100
    so_far = [step["setWeight"] for step in world.steps[: world.index + 1] if "setWeight" in step]
    return so_far[-1] if so_far else 0


def written_scale(world: World) -> Object | None:
    """`UseSetCanaryScale`."""
    if world.index >= len(world.steps) or (world.abort and world.abort_delay != 0):
        return None
    scales: list[Any] = [s["setCanaryScale"] for s in world.steps[: world.index + 1] if "setCanaryScale" in s]
    return None if not scales or scales[-1].get("matchTrafficWeight") else scales[-1]


def written_counts(world: World) -> tuple[int, int]:
    explicit, weight = None, written_weight(world)
    scale = written_scale(world)
    if world.promote_full:
        weight = 100
    elif scale is not None:
        explicit, weight = scale.get("replicas"), scale.get("weight", 0)
    canary = pods_for(world, weight) if explicit is None else explicit
    if not world.is_dynamic:
        return (at_least_min(world, canary) if explicit is None else canary), world.replicas
    stable = pods_for(world, 100 - weight)
    if world.weight is not None:
        stable = max(stable, pods_for(world, 100 - world.weight))
        if world.abort:
            canary = max(canary, pods_for(world, world.weight))
    return at_least_min(world, canary), at_least_min(world, stable)


@given(worlds())
def test_pods_of_a_routed_canary_are_as_the_formula_says(world: World) -> None:
    counts = routed_counts(world.rollout, version("new", world.new), version("old", world.stable), world.weights)

    assert counts == written_counts(world)


@given(worlds())
def test_the_weight_on_the_way_back_is_as_the_formula_says(world: World) -> None:
    rollout = world.rollout
    seen = Observed(raw={}, rollout=rollout, versions=(version("new", world.new), version("old", world.stable)))
    draft = Draft(seen, 0.0)
    draft.new_name = "new"

    weight = weight_on_the_way_back(draft)

    if not world.is_dynamic or world.replicas == 0:
        assert weight == 0
        return
    wanted, bearable = written_weight(world), 100 * world.stable[1] // world.replicas
    least = max(0, 100 - bearable)
    if world.weight is None:
        assert weight == max(least, wanted)
    elif wanted <= 0:
        assert weight == min(least, world.weight)
    elif bearable < 100 - wanted:
        assert weight == world.weight
    else:
        assert weight == min(wanted, world.weight)


@given(_SMALL, _WEIGHT, st.integers(0, 3))
def test_the_approximation_is_the_first_of_the_nearest_candidates(replicas: int, weight: int, surge: int) -> None:
    share = weight / 100
    up, down = math.ceil(weight * replicas / 100), math.floor(weight * replicas / 100)
    may_be_zero = weight in (0, 100) or (replicas == 1 and surge == 0)
    candidates = [(up, replicas)] if up < replicas or may_be_zero else []
    for total in (replicas, replicas + 1):
        if total > replicas:
            if surge == 0:
                break
            candidates.append((up, total))
        if total * share - math.floor(total * share) != 0.5 and (down != 0 or may_be_zero):
            candidates.append((down, total))
    best = (0, replicas)
    nearest = math.inf
    for canary, total in candidates if replicas else []:
        distance = abs(canary * 100 / total - weight)
        if distance < nearest:
            best, nearest = (canary, total), distance

    assert approximate_counts(replicas, weight, 100, surge) == (best[0], best[1] - best[0])


@given(st.integers(1, 12), _WEIGHT, st.tuples(_pods(), _pods(), _pods()), st.tuples(_FEW, _FEW))
def test_a_plain_canary_moves_as_the_formula_says(
    replicas: int, weight: int, pods: tuple[tuple[int, int], ...], fenceposts: tuple[int, int]
) -> None:
    (new, stable, other), (surge, unavailable) = pods, fenceposts
    canary = {"steps": [{"setWeight": weight}], "maxSurge": surge, "maxUnavailable": unavailable}
    status = {"stableRS": "old", "currentPodHash": "new", "currentStepIndex": 0}
    spec = {"replicas": replicas, "strategy": {"canary": canary}}
    rollout = decode(Rollout, {"metadata": {}, "spec": spec, "status": status})

    counts = basic_counts(rollout, version("new", new), version("old", stable), [version("other", other)])

    unavailable = min(unavailable if surge or unavailable else 1, replicas)
    wanted_new, wanted_stable = approximate_counts(replicas, weight, 100, surge)
    asked_new, asked_stable = new[0], stable[0]
    room = replicas + surge - other[0] - new[0] - stable[0]
    if stable[0] < wanted_stable and room > 0:
        if stable[0] + room < wanted_stable:
            asked_stable, room = stable[0] + room, 0
        else:
            room, asked_stable = room - (wanted_stable - stable[0]), wanted_stable
    if new[0] < wanted_new and room > 0:
        asked_new = min(new[0] + room, wanted_new)
    if other[0] > 0:
        assert counts == (asked_new, asked_stable)
        return
    grows = wanted_new >= new[0]
    least = replicas - unavailable
    can_go = (new[1] if grows else new[0]) + (stable[0] if grows else stable[1])
    if can_go > least:
        if not grows:
            asked_new = max(wanted_new, new[0] - (can_go - least)) if new[0] > wanted_new else asked_new
            asked_new, asked_stable = _fit(new, stable, (asked_new, asked_stable), replicas + surge, least)
        else:
            asked_stable = (
                max(wanted_stable, stable[0] - (can_go - least)) if stable[0] > wanted_stable else asked_stable
            )
            asked_stable, asked_new = _fit(stable, new, (asked_stable, asked_new), replicas + surge, least)
    assert counts == (asked_new, asked_stable)


def _fit(
    drained: tuple[int, int], adjusted: tuple[int, int], counts: tuple[int, int], most: int, least: int
) -> tuple[int, int]:
    drain, adjust = counts
    over = max(0, adjust + drain - most)
    available = min(drained[1], drain)
    adjust -= over
    available += min(adjusted[1], adjust)
    lost = max(0, adjusted[1] - adjust)
    adjust += min(lost, max(0, least - available))
    return drain - max(0, adjust + drain - most), adjust
