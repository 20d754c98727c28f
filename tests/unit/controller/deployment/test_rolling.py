"""Unit tests of a rolling update's counts."""

from typing import Any

import pytest

from controller.deployment.rolling import Bounds, bounds_of, rolling_replicas
from meshsim.api.core import ReplicaSet
from meshsim.api.decode import decode
from meshsim.api.workloads import Deployment


def deployment(replicas: int, surge: int | str = "25%", unavailable: int | str = "25%") -> Deployment:
    update = {"maxSurge": surge, "maxUnavailable": unavailable}
    spec = {"replicas": replicas, "strategy": {"rollingUpdate": update}}
    return decode(Deployment, {"metadata": {"name": "web"}, "spec": spec})


def replica_set(name: str, replicas: int, available: int | None = None) -> ReplicaSet:
    status: dict[str, Any] = {"availableReplicas": replicas if available is None else available}
    return decode(ReplicaSet, {"metadata": {"name": name}, "spec": {"replicas": replicas}, "status": status})


@pytest.mark.parametrize(
    ("replicas", "surge", "unavailable", "bounds"),
    [
        (10, "25%", "25%", (3, 2)),
        (1, "25%", "25%", (1, 0)),
        (3, 1, 0, (1, 0)),
        (3, 0, 0, (0, 1)),
        (3, 0, "10%", (0, 1)),
        (2, 0, 5, (0, 2)),
        (4, "odd", "50%", (0, 2)),
    ],
)
def test_a_surge_is_rounded_up_and_unavailability_down_and_they_are_never_both_zero(
    replicas: int, surge: int | str, unavailable: int | str, bounds: tuple[int, int]
) -> None:
    assert bounds_of(deployment(replicas, surge, unavailable)) == Bounds(*bounds)


@pytest.mark.parametrize(
    ("new", "old", "scaled"),
    [
        (replica_set("new", 0), [replica_set("old", 10)], {"new": 3}),
        (replica_set("new", 3, 0), [replica_set("old", 10)], {"old": 8}),
        (replica_set("new", 3, 0), [replica_set("old", 8)], {"new": 5}),
        (replica_set("new", 5, 0), [replica_set("old", 8)], {}),
        (replica_set("new", 5, 5), [replica_set("old", 8)], {"old": 3}),
        (replica_set("new", 10, 10), [replica_set("old", 3)], {"old": 0}),
        (replica_set("new", 10, 10), [], {}),
        (replica_set("new", 12, 12), [], {"new": 10}),
        (replica_set("new", 0), [replica_set("old", 10, 4)], {"new": 3}),
        (replica_set("new", 3, 0), [replica_set("old", 10, 4)], {"old": 8}),
        (replica_set("new", 5, 5), [replica_set("broken", 4, 0), replica_set("old", 4)], {"broken": 0, "old": 3}),
    ],
    ids=[
        "surge", "give up what may be missing", "fill up", "wait for the new", "the new has come", "the last old ones",
        "nothing left to do", "scaled down", "surge although pods are broken", "broken pods go first",
        "broken pods of an older version go first",
    ],
)  # fmt: skip
def test_each_step_of_an_update_stays_within_the_bounds(
    new: ReplicaSet, old: list[ReplicaSet], scaled: dict[str, int]
) -> None:
    assert rolling_replicas(deployment(10), new, old) == scaled
