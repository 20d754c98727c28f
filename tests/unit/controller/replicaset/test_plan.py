"""Unit tests of the ReplicaSet controller's decisions."""

from typing import Any

import pytest

from controller.replicaset.plan import in_deletion_order, plan, with_failure
from meshsim.api.core import Pod, ReplicaSet, ReplicaSetStatus
from meshsim.api.decode import decode
from meshsim.kit.timestamps import to_rfc3339

NOW = 1_767_225_600.0
OWNER = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web", "uid": "u-web", "controller": True}


def replica_set(replicas: int = 3, *, min_ready_s: int = 0, **metadata: Any) -> ReplicaSet:
    return decode(
        ReplicaSet,
        {
            "metadata": {"name": "web", "namespace": "default", "uid": "u-web", "generation": 4, **metadata},
            "spec": {
                "replicas": replicas,
                "minReadySeconds": min_ready_s,
                "selector": {"matchLabels": {"app": "web"}},
                "template": {"metadata": {"labels": {"app": "web", "hash": "1"}}},
            },
        },
    )


def pod(
    name: str,
    *,
    owner: dict[str, Any] | None = OWNER,
    labels: dict[str, str] | None = None,
    ready_for: float | None = None,
    phase: str = "Running",
    node: str = "node",
    restarts: int = 0,
    age: float = 100,
    **metadata: Any,
) -> Pod:
    ready = {"type": "Ready", "status": "False" if ready_for is None else "True"}
    return decode(
        Pod,
        {
            "metadata": {
                "name": name,
                "uid": f"u-{name}",
                "labels": {"app": "web", "hash": "1"} if labels is None else labels,
                "ownerReferences": [owner] if owner else [],
                "creationTimestamp": to_rfc3339(NOW - age),
                **metadata,
            },
            "spec": {"nodeName": node},
            "status": {
                "phase": phase,
                "conditions": [{**ready, "lastTransitionTime": to_rfc3339(NOW - (ready_for or 0))}],
                "containerStatuses": [{"restartCount": restarts}],
            },
        },
    )


def names(pods: tuple[Pod, ...] | list[Pod]) -> list[str]:
    return [pod.metadata.name for pod in pods]


def test_missing_pods_are_created() -> None:
    decided = plan(replica_set(3), [pod("a")], NOW)
    assert (decided.create, decided.delete) == (2, ())


def test_enough_pods_need_nothing() -> None:
    decided = plan(replica_set(2), [pod("a"), pod("b")], NOW)
    assert (decided.create, decided.delete, decided.adopt, decided.release) == (0, (), (), ())


def test_surplus_pods_are_deleted() -> None:
    decided = plan(replica_set(0), [pod("a"), pod("b")], NOW)
    assert (decided.create, names(decided.delete)) == (0, ["a", "b"])


@pytest.mark.parametrize(
    "ended",
    [
        pod("a", phase="Succeeded"),
        pod("a", phase="Failed"),
        pod("a", deletionTimestamp=to_rfc3339(NOW)),
    ],
    ids=["succeeded", "failed", "terminating"],
)
def test_a_pod_that_has_ended_or_is_ending_is_replaced(ended: Pod) -> None:
    decided = plan(replica_set(1), [ended], NOW)
    assert (decided.create, decided.delete, decided.status.replicas) == (1, (), 0)


def test_an_orphan_that_is_selected_is_adopted_and_counts() -> None:
    decided = plan(replica_set(1), [pod("a", owner=None)], NOW)
    assert (names(decided.adopt), decided.create, decided.status.replicas) == (["a"], 0, 1)


def test_an_orphan_that_is_not_selected_is_left_alone() -> None:
    decided = plan(replica_set(0), [pod("a", owner=None, labels={"app": "other"})], NOW)
    assert (decided.adopt, decided.delete) == ((), ())


def test_a_pod_of_another_owner_is_left_alone() -> None:
    decided = plan(replica_set(1), [pod("a", owner={**OWNER, "uid": "u-older-web"})], NOW)
    assert (decided.create, decided.adopt, decided.release) == (1, (), ())


def test_a_pod_that_is_no_longer_selected_is_released_and_replaced() -> None:
    decided = plan(replica_set(1), [pod("a", labels={"app": "quarantine"})], NOW)
    assert (names(decided.release), decided.create, decided.delete) == (["a"], 1, ())


def test_a_replica_set_that_is_being_deleted_touches_no_pod() -> None:
    pods = [pod("a"), pod("b", owner=None)]
    decided = plan(replica_set(5, deletionTimestamp=to_rfc3339(NOW)), pods, NOW)
    assert (decided.create, decided.adopt, decided.delete, decided.status.replicas) == (0, (), (), 1)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (pod("first", node=""), pod("second")),
        (pod("first", phase="Pending"), pod("second")),
        (pod("first"), pod("second", ready_for=1)),
        (
            pod("first", ready_for=90, annotations={"controller.kubernetes.io/pod-deletion-cost": "-5"}),
            pod("second", ready_for=5),
        ),
        (pod("first", ready_for=5), pod("second", ready_for=90)),
        (pod("first", ready_for=5, restarts=3), pod("second", ready_for=5)),
        (pod("first", ready_for=5, age=10), pod("second", ready_for=5, age=50)),
    ],
    ids=["unscheduled", "pending", "not ready", "cheaper", "ready later", "restarted more often", "newer"],
)
def test_the_pod_that_is_missed_least_goes_first(first: Pod, second: Pod) -> None:
    assert names(in_deletion_order([second, first])) == ["first", "second"]
    assert names(in_deletion_order([first, second])) == ["first", "second"]


def test_the_status_counts_ready_and_fully_labelled_pods() -> None:
    pods = [pod("a", ready_for=1), pod("b"), pod("c", ready_for=1, labels={"app": "web"})]
    assert plan(replica_set(3), pods, NOW).status == ReplicaSetStatus(
        replicas=3, fully_labeled_replicas=2, ready_replicas=2, available_replicas=2, observed_generation=4
    )


def test_a_pod_is_available_once_it_has_been_ready_long_enough() -> None:
    decided = plan(replica_set(3, min_ready_s=10), [pod("a", ready_for=4), pod("b", ready_for=10)], NOW)
    assert (decided.status.ready_replicas, decided.status.available_replicas) == (2, 1)
    assert decided.wake_at == NOW + 6


def test_without_a_pod_to_wait_for_there_is_no_reason_to_wake() -> None:
    assert plan(replica_set(1, min_ready_s=10), [pod("a", ready_for=60)], NOW).wake_at is None


def test_a_refused_creation_is_a_condition_that_keeps_its_stamp_and_ends_with_the_refusal() -> None:
    status = plan(replica_set(1), [], NOW).status
    refused = with_failure(status, (), "pods are forbidden", NOW)
    still_refused = with_failure(status, refused.conditions, "pods are forbidden", NOW + 60)
    assert [(c.type, c.status, c.reason, c.message) for c in refused.conditions] == [
        ("ReplicaFailure", "True", "FailedCreate", "pods are forbidden")
    ]
    assert still_refused == refused
    assert with_failure(status, refused.conditions, "", NOW) == status
