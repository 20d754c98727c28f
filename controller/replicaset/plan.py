"""What a ReplicaSet's controller would do now: pure, from the ReplicaSet and the pods as last seen.

The rules are those of Kubernetes' pkg/controller/replicaset and its pod control: claim by selector, count active
pods, create or delete the difference, report the status.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from meshsim.api.core import Pod, ReplicaSet, ReplicaSetStatus
from meshsim.api.meta import Condition
from meshsim.kit.timestamps import from_rfc3339, to_rfc3339

DELETION_COST_ANNOTATION: Final = "controller.kubernetes.io/pod-deletion-cost"
REPLICA_FAILURE: Final = "ReplicaFailure"
_PHASE_ORDER: Final = {"Pending": 0, "Unknown": 1}
_NEVER: Final = float("-inf")


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do, in this order, and what to report of what was seen before doing it."""

    status: ReplicaSetStatus
    adopt: tuple[Pod, ...] = ()
    release: tuple[Pod, ...] = ()
    create: int = 0
    delete: tuple[Pod, ...] = ()
    wake_at: float | None = None
    """When the next ready pod will have been ready for minReadySeconds."""


def plan(replica_set: ReplicaSet, pods: Iterable[Pod], now: float) -> Plan:
    """Decide from the pods of the ReplicaSet's namespace; `now` and `wake_at` are Unix seconds."""
    uid = replica_set.metadata.uid
    active = [pod for pod in pods if pod.is_active]
    owned = [pod for pod in active if _owner_uid(pod) == uid]
    kept = [pod for pod in owned if replica_set.spec.selector.matches(pod.metadata.labels)]
    release = [pod for pod in owned if not replica_set.spec.selector.matches(pod.metadata.labels)]
    if replica_set.metadata.deletion_timestamp:
        status, wake_at = _status(replica_set, kept, now)
        return Plan(status=status, wake_at=wake_at)
    adopt = [pod for pod in active if not _owner_uid(pod) and replica_set.spec.selector.matches(pod.metadata.labels)]
    claimed = kept + adopt
    surplus = len(claimed) - replica_set.spec.replicas
    status, wake_at = _status(replica_set, claimed, now)
    return Plan(
        adopt=tuple(adopt),
        release=tuple(release),
        create=max(-surplus, 0),
        delete=tuple(in_deletion_order(claimed)[: max(surplus, 0)]),
        status=status,
        wake_at=wake_at,
    )


def in_deletion_order(pods: Iterable[Pod]) -> list[Pod]:
    """The pods that are missed least come first.

    Unscheduled, pending, not ready, cheap to delete, ready only lately, often restarted, new (ActivePodsWithRanks).
    """
    return sorted(pods, key=_worth)


def with_failure(status: ReplicaSetStatus, seen: Sequence[Condition], message: str, now: float) -> ReplicaSetStatus:
    """The status with the condition ReplicaFailure set to the message, or without it when the message is empty."""
    others = tuple(condition for condition in seen if condition.type != REPLICA_FAILURE)
    conditions = others
    if message:
        before = next((condition for condition in seen if condition.type == REPLICA_FAILURE), None)
        since = before.last_transition_time if before is not None and before.status == "True" else to_rfc3339(now)
        failure = Condition(
            type=REPLICA_FAILURE, status="True", reason="FailedCreate", message=message, last_transition_time=since
        )
        conditions = (*others, failure)
    return msgspec.structs.replace(status, conditions=conditions)


def _status(replica_set: ReplicaSet, pods: Sequence[Pod], now: float) -> tuple[ReplicaSetStatus, float | None]:
    template_labels = ((replica_set.spec.template.get("metadata") or {}).get("labels") or {}).items()
    available_at = [_available_at(pod, replica_set.spec.min_ready_seconds) for pod in pods if pod.is_ready]
    status = ReplicaSetStatus(
        replicas=len(pods),
        fully_labeled_replicas=sum(template_labels <= pod.metadata.labels.items() for pod in pods),
        ready_replicas=len(available_at),
        available_replicas=sum(instant <= now for instant in available_at),
        observed_generation=replica_set.metadata.generation,
    )
    return status, min((instant for instant in available_at if instant > now), default=None)


def _available_at(pod: Pod, min_ready_s: int) -> float:
    return _NEVER if min_ready_s == 0 else _ready_since(pod) + min_ready_s


def _ready_since(pod: Pod) -> float:
    return next((from_rfc3339(c.last_transition_time) for c in pod.status.conditions if c.type == "Ready"), _NEVER)


def _owner_uid(pod: Pod) -> str:
    owner = pod.metadata.controller
    return owner.uid if owner is not None else ""


def _worth(pod: Pod) -> tuple[bool, int, bool, int, float, int, float]:
    restarts = max((int(status.get("restartCount") or 0) for status in pod.status.container_statuses), default=0)
    return (
        bool(pod.spec.node_name),
        _PHASE_ORDER.get(pod.status.phase, 2),
        pod.is_ready,
        _deletion_cost(pod),
        -_ready_since(pod) if pod.is_ready else 0.0,
        -restarts,
        -from_rfc3339(pod.metadata.creation_timestamp),
    )


def _deletion_cost(pod: Pod) -> int:
    text = pod.metadata.annotations.get(DELETION_COST_ANNOTATION, "0")
    return int(text) if text.lstrip("-").isdecimal() else 0
