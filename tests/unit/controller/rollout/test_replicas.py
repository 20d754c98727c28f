"""How many pods each version shall have: the rules, and laws over all numbers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.rollout.replicas import (
    approximate_counts,
    basic_counts,
    max_surge,
    max_unavailable,
    routed_counts,
    threshold_met,
    weight_to_replicas,
)
from controller.rollout.versions import Version
from meshsim.api.decode import Object, decode
from meshsim.api.rollouts import ReplicaProgressThreshold, Rollout

_COUNT = st.integers(0, 12)
_PODS = st.tuples(_COUNT, _COUNT).map(lambda counts: (max(counts), min(counts)))
"""Pods asked for, and how many of them are available."""


def rollout(
    status: Object | None = None, *, replicas: int = 10, steps: list[Object] | None = None, **canary: object
) -> Rollout:
    strategy = {"canary": {"steps": steps or [], **canary}}
    given_status = {"stableRS": "old", "currentPodHash": "new", **(status or {})}
    return decode(
        Rollout, {"metadata": {}, "spec": {"replicas": replicas, "strategy": strategy}, "status": given_status}
    )


def version(name: str, replicas: int, available: int | None = None) -> Version:
    return Version(
        obj={"metadata": {"name": name}, "spec": {}},
        name=name,
        hash=name,
        replicas=replicas,
        created=0,
        current=replicas,
        available=replicas if available is None else available,
    )


@pytest.mark.parametrize(
    ("surge", "unavailable", "expected"),
    [
        (None, None, (3, 2)),
        ("25", "25", (3, 2)),
        ("33%", 0, (4, 0)),
        (0, 0, (0, 1)),
        ("0%", "0%", (0, 1)),
        ("nonsense", 3, (0, 3)),
        (2, 40, (2, 10)),
    ],
)
def test_fenceposts_round_up_and_down_and_any_text_is_a_percentage(
    surge: int | str | None, unavailable: int | str | None, expected: tuple[int, int]
) -> None:
    given_rollout = rollout(maxSurge=surge, maxUnavailable=unavailable)

    assert (max_surge(given_rollout), max_unavailable(given_rollout)) == expected


def test_a_share_of_the_traffic_is_borne_by_that_share_of_the_pods_rounded_up() -> None:
    assert [weight_to_replicas(weight, 6, 100) for weight in (0, 1, 34, 50, 67, 100)] == [0, 1, 3, 3, 5, 6]


def test_the_routed_canary_follows_the_weight_and_stable_stays_whole() -> None:
    counts = routed_counts(rollout(steps=[{"setWeight": 25}], trafficRouting={}), None, None, None)

    assert counts == (3, 10)


def test_with_a_shrinking_stable_both_follow_the_weight() -> None:
    routed = rollout(steps=[{"setWeight": 25}], trafficRouting={}, dynamicStableScale=True)

    assert routed_counts(routed, None, None, None) == (3, 8)


def test_neither_version_has_fewer_than_the_minimum_of_pods_unless_none() -> None:
    routed = rollout(steps=[{"setWeight": 5}], trafficRouting={}, minPodsPerReplicaSet=2, dynamicStableScale=True)

    assert routed_counts(routed, None, None, None) == (2, 10)


def test_a_threshold_of_pods_ignores_how_many_were_wanted() -> None:
    one_pod = ReplicaProgressThreshold(type="Pods", value=1)

    assert threshold_met(one_pod, version("new", 10, 1), 10)
    assert not threshold_met(None, version("new", 10, 1), 10)
    assert threshold_met(ReplicaProgressThreshold(type="Percent", value=50), version("new", 10, 5), 10)


@given(_COUNT, st.integers(0, 100), st.integers(0, 3))
def test_the_approximation_has_at_most_one_pod_too_many(replicas: int, weight: int, surge: int) -> None:
    canary, stable = approximate_counts(replicas, weight, 100, surge)

    assert canary >= 0
    assert stable >= 0
    assert canary + stable in ((replicas,) if surge == 0 else (replicas, replicas + 1))


@given(_PODS, _PODS, st.integers(0, 100), st.integers(0, 4), st.integers(0, 4))
def test_the_plain_canary_never_goes_beyond_its_surge_nor_below_its_minimum_by_itself(
    new_counts: tuple[int, int], stable_counts: tuple[int, int], weight: int, surge: int, unavailable: int
) -> None:
    plain = rollout(
        steps=[{"setWeight": weight}, {"pause": {}}], replicas=8, maxSurge=surge, maxUnavailable=unavailable
    )
    new, stable = version("new", *new_counts), version("old", *stable_counts)

    canary, rest = basic_counts(plain, new, stable, [])

    assert canary + rest <= max(8 + max_surge(plain), new.replicas + stable.replicas)
    available = min(new.available, canary) + min(stable.available, rest)
    assert available >= min(new.available + stable.available, 8 - max_unavailable(plain))
