"""A disruption budget's status, from the pods it covers."""

from typing import Any

import pytest

from controller.disruption.plan import scale_of, status_of
from meshsim.api.core import Pod, ReplicaSet
from meshsim.api.decode import Object, decode, encode
from meshsim.api.policy import PodDisruptionBudget, PodDisruptionBudgetStatus
from meshsim.api.workloads import Deployment

NOW = 1_767_225_600.0


def budget(status: Object | None = None, **spec: Any) -> PodDisruptionBudget:
    metadata = {"name": "web", "namespace": "default", "generation": 3}
    return decode(PodDisruptionBudget, {"metadata": metadata, "spec": spec, "status": status})


def pod(owner: str = "", *, ready: bool = True, going: bool = False) -> Pod:
    metadata: Object = {"name": "a"}
    if owner:
        metadata["ownerReferences"] = [{"kind": "ReplicaSet", "uid": owner, "controller": True}]
    if going:
        metadata["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    status = {"conditions": [{"type": "Ready", "status": "True" if ready else "False"}]}
    return decode(Pod, {"metadata": metadata, "status": status})


def figures(status: PodDisruptionBudgetStatus) -> tuple[int, int, int, int]:
    """Allowed, healthy, desired, expected."""
    return status.disruptions_allowed, status.current_healthy, status.desired_healthy, status.expected_pods


THREE = [pod() for _ in range(3)]


@pytest.mark.parametrize(
    ("spec", "pods", "scale", "expected"),
    [
        ({}, THREE, 3, (2, 3, 1, 3)),
        ({"minAvailable": 2}, THREE, 3, (1, 3, 2, 3)),
        ({"minAvailable": 2}, THREE, 0, (1, 3, 2, 3)),
        ({"minAvailable": 5}, THREE, 3, (0, 3, 5, 3)),
        ({"minAvailable": "50%"}, THREE, 3, (1, 3, 2, 3)),
        ({"minAvailable": "50%"}, THREE, 10, (0, 3, 5, 10)),
        ({"minAvailable": "50%"}, THREE, 0, (0, 3, 0, 0)),
        ({"maxUnavailable": 1}, THREE, 3, (1, 3, 2, 3)),
        ({"maxUnavailable": 1}, THREE, 4, (0, 3, 3, 4)),
        ({"maxUnavailable": "34%"}, THREE, 3, (2, 3, 1, 3)),
        ({"maxUnavailable": 9}, THREE, 3, (3, 3, 0, 3)),
        ({"minAvailable": 0}, [], 0, (0, 0, 0, 0)),
        ({"minAvailable": 1}, [pod(), pod(ready=False), pod(going=True)], 3, (0, 1, 1, 3)),
    ],
)
def test_what_may_go_is_what_is_healthy_beyond_what_is_wanted(
    spec: dict[str, Any], pods: list[Pod], scale: int, expected: tuple[int, int, int, int]
) -> None:
    assert figures(status_of(budget(**spec), pods, scale, NOW)) == expected


def test_the_condition_says_whether_one_may_go_and_since_when() -> None:
    first = status_of(budget(minAvailable=2), THREE, 3, NOW)
    assert encode(first)["conditions"] == [
        {
            "type": "DisruptionAllowed",
            "status": "True",
            "reason": "SufficientPods",
            "lastTransitionTime": "2026-01-01T00:00:00Z",
            "observedGeneration": 3,
        }
    ]
    assert status_of(budget(encode(first), minAvailable=2), THREE, 3, NOW + 60) == first
    (after,) = status_of(budget(encode(first), minAvailable=3), THREE, 3, NOW + 60).conditions
    assert (after.status, after.reason, after.last_transition_time) == (
        "False",
        "InsufficientPods",
        "2026-01-01T00:01:00Z",
    )


def test_counters_that_are_zero_are_told_too() -> None:
    assert encode(status_of(budget(), [], 0, NOW)) | {"conditions": []} == {
        "disruptionsAllowed": 0,
        "currentHealthy": 0,
        "desiredHealthy": 1,
        "expectedPods": 0,
        "observedGeneration": 3,
        "conditions": [],
    }


def replica_set(uid: str, replicas: int, keeper: Object | None = None) -> ReplicaSet:
    owners = [] if keeper is None else [{**keeper, "controller": True}]
    return decode(
        ReplicaSet, {"metadata": {"name": uid, "uid": uid, "ownerReferences": owners}, "spec": {"replicas": replicas}}
    )


def test_a_deployment_speaks_for_its_replica_sets_and_a_rollout_does_not() -> None:
    deployment = decode(Deployment, {"metadata": {"name": "d", "uid": "d"}, "spec": {"replicas": 4}})
    of_deployment, of_rollout = {"kind": "Deployment", "uid": "d"}, {"kind": "Rollout", "uid": "r"}
    sets = [
        replica_set("d1", 3, of_deployment),
        replica_set("d2", 2, of_deployment),
        replica_set("r1", 5, of_rollout),
        replica_set("r2", 1, of_rollout),
        replica_set("alone", 7),
        replica_set("not covered", 100),
    ]
    pods = [pod(uid) for uid in ("d1", "d1", "d2", "r1", "r2", "alone", "gone", "")]
    by_uid = {each.metadata.uid: each for each in sets}
    assert scale_of(pods, by_uid, {"d": deployment}) == 4 + 5 + 1 + 7
