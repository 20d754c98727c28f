"""Conditions of a rollout: how they are set, and what progress, health and time-outs mean."""

from typing import Final

from controller.rollout.replicas import desired_replicas
from meshsim.api.meta import Condition
from meshsim.api.rollouts import Rollout, RolloutStatus
from meshsim.kit.timestamps import from_rfc3339, to_rfc3339

PROGRESSING: Final = "Progressing"
AVAILABLE: Final = "Available"
HEALTHY: Final = "Healthy"
COMPLETED: Final = "Completed"
PAUSED: Final = "Paused"
INVALID_SPEC: Final = "InvalidSpec"
REPLICA_FAILURE: Final = "ReplicaFailure"

ABORTED: Final = "RolloutAborted"
TIMED_OUT: Final = "ProgressDeadlineExceeded"
ROLLOUT_PAUSED: Final = "RolloutPaused"
NOT_CREATED: Final = "ReplicaSetCreateError"

_DEFAULT_DEADLINE_S: Final = 600

Conditions = tuple[Condition, ...]


def find(conditions: Conditions, kind: str) -> Condition | None:
    """The condition of that type."""
    return next((condition for condition in conditions if condition.type == kind), None)


def new(kind: str, status: str, reason: str, message: str, now: float) -> Condition:
    """A condition that was found and became so now."""
    stamp = to_rfc3339(now)
    return Condition(
        type=kind, status=status, reason=reason, message=message, last_update_time=stamp, last_transition_time=stamp
    )


def put(conditions: Conditions, condition: Condition) -> Conditions:
    """With this condition, at the end; the very same when one with its status and reason is there already.

    Its transition time is kept when the status stays.
    """
    current = find(conditions, condition.type)
    if current and (current.status, current.reason) == (condition.status, condition.reason):
        return conditions
    if current and current.status == condition.status:
        condition = _keeping_transition(condition, current)
    return (*without(conditions, condition.type), condition)


def renew(conditions: Conditions, condition: Condition) -> Conditions:
    """With this condition even when its status and reason stay: its update time says that something moved."""
    current = find(conditions, condition.type)
    if current and current.status == "True":
        condition = _keeping_transition(condition, current)
    return (*without(conditions, condition.type), condition)


def without(conditions: Conditions, kind: str) -> Conditions:
    """Without the condition of that type."""
    return tuple(condition for condition in conditions if condition.type != kind)


def _keeping_transition(condition: Condition, current: Condition) -> Condition:
    return Condition(
        type=condition.type,
        status=condition.status,
        reason=condition.reason,
        message=condition.message,
        last_update_time=condition.last_update_time,
        last_transition_time=current.last_transition_time,
    )


def is_completed(status: RolloutStatus) -> bool:
    """The present template is the stable one."""
    return bool(status.stable_rs) and status.stable_rs == status.current_pod_hash


def is_healthy(rollout: Rollout, status: RolloutStatus) -> bool:
    """All pods are of the present template and available, it has the traffic, and no old pod is left."""
    replicas, strategy = desired_replicas(rollout), rollout.spec.strategy
    if status.updated_replicas != replicas or status.available_replicas != replicas:
        return False
    if rollout.status.observed_generation != str(rollout.metadata.generation):
        return False
    if strategy.blue_green is not None:
        selectors = status.blue_green
        preview_is_current = selectors.preview_selector == status.current_pod_hash
        return selectors.active_selector == status.current_pod_hash and (
            not strategy.blue_green.preview_service or preview_is_current
        )
    if strategy.canary is not None:
        steps, index = len(strategy.canary.steps), status.current_step_index
        all_done = not steps or index is None or index == steps
        return all_done and is_completed(status) and status.replicas == replicas
    return True


def has_progressed(rollout: Rollout, status: RolloutStatus) -> bool:
    """Something moved since the status was last written."""
    old = rollout.status
    if rollout.spec.strategy.blue_green is not None and (
        old.blue_green.active_selector != status.blue_green.active_selector
        or old.blue_green.preview_selector != status.blue_green.preview_selector
    ):
        return True
    if rollout.spec.strategy.canary is not None and _canary_moved(old, status):
        return True
    return (
        status.updated_replicas != old.updated_replicas
        or status.replicas - status.updated_replicas < old.replicas - old.updated_replicas
        or status.ready_replicas > old.ready_replicas
        or status.available_replicas > old.available_replicas
    )


def _canary_moved(old: RolloutStatus, status: RolloutStatus) -> bool:
    indexes = (old.current_step_index, status.current_step_index)
    return (
        status.stable_rs != old.stable_rs
        or (None not in indexes and indexes[0] != indexes[1])
        or status.current_step_hash != old.current_step_hash
    )


def deadline_of(rollout: Rollout, status: RolloutStatus) -> float | None:
    """The instant after which lack of progress counts as a failure; None when nothing is waited for."""
    progressing = find(status.conditions, PROGRESSING)
    if progressing is None or progressing.reason in (ABORTED, ROLLOUT_PAUSED):
        return None
    given = rollout.spec.progress_deadline_seconds
    try:
        since = from_rfc3339(progressing.last_update_time)
    except ValueError:
        return None
    return since + (_DEFAULT_DEADLINE_S if given is None else given)


def has_timed_out(rollout: Rollout, status: RolloutStatus, now: float) -> bool:
    """No progress for longer than `progressDeadlineSeconds`."""
    progressing = find(status.conditions, PROGRESSING)
    if progressing is not None and progressing.reason == TIMED_OUT:
        return True
    deadline = deadline_of(rollout, status)
    return deadline is not None and deadline < now
