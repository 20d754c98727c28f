"""What a Deployment reports: counters and the conditions Available and Progressing. Pure."""

from collections.abc import Sequence

import msgspec

from controller.deployment.rolling import bounds_of
from meshsim.api.core import ReplicaSet
from meshsim.api.meta import Condition
from meshsim.api.workloads import Deployment, DeploymentStatus
from meshsim.kit.timestamps import from_rfc3339, to_rfc3339


def status_of(
    deployment: Deployment, new: ReplicaSet | None, old: Sequence[ReplicaSet], now: float
) -> tuple[DeploymentStatus, float | None]:
    """The status, and when the progress deadline will have passed."""
    everything = [*old, *(() if new is None else (new,))]
    available = sum(each.status.available_replicas for each in everything)
    counted = DeploymentStatus(
        observed_generation=deployment.metadata.generation,
        replicas=sum(each.status.replicas for each in everything),
        updated_replicas=0 if new is None else new.status.replicas,
        ready_replicas=sum(each.status.ready_replicas for each in everything),
        available_replicas=available,
        unavailable_replicas=max(sum(each.spec.replicas for each in everything) - available, 0),
    )
    progressing, wake_at = _progressing(deployment, new, counted, now)
    before = {condition.type: condition for condition in deployment.status.conditions}
    own = (_available(deployment, available, now), progressing)
    conditions = [_stamped(condition, before.pop(condition.type, None), now) for condition in own]
    return msgspec.structs.replace(counted, conditions=(*conditions, *before.values())), wake_at


def is_complete(deployment: Deployment, counted: DeploymentStatus) -> bool:
    """Every wanted pod is of the new version and available, and no other is left."""
    wanted = deployment.spec.replicas
    return counted.updated_replicas == counted.replicas == counted.available_replicas == wanted


def _available(deployment: Deployment, available: int, now: float) -> Condition:
    enough = available >= deployment.spec.replicas - bounds_of(deployment).unavailable
    return Condition(
        type="Available",
        status="True" if enough else "False",
        reason="MinimumReplicasAvailable" if enough else "MinimumReplicasUnavailable",
        message=f"Deployment {'has' if enough else 'does not have'} minimum availability.",
        last_update_time=to_rfc3339(now),
    )


def _progressing(
    deployment: Deployment, new: ReplicaSet | None, counted: DeploymentStatus, now: float
) -> tuple[Condition, float | None]:
    name = "" if new is None else new.metadata.name
    before = next((each for each in deployment.status.conditions if each.type == "Progressing"), None)
    if is_complete(deployment, counted):
        message = f'ReplicaSet "{name}" has successfully progressed.'
        return _condition("True", "NewReplicaSetAvailable", message, now), None
    if deployment.spec.paused:
        return _condition("Unknown", "DeploymentPaused", "Deployment is paused", now), None
    if before is None or _has_moved(deployment.status, counted):
        message = f'ReplicaSet "{name}" is progressing.' if name else "Created new replica set"
        return _condition("True", "ReplicaSetUpdated", message, now), now + deployment.spec.progress_deadline_seconds
    due = from_rfc3339(before.last_update_time or to_rfc3339(now)) + deployment.spec.progress_deadline_seconds
    if before.status == "True" and before.reason != "NewReplicaSetAvailable" and now >= due:
        message = f'ReplicaSet "{name}" has timed out progressing.'
        return _condition("False", "ProgressDeadlineExceeded", message, now), None
    if (
        before.reason == "NewReplicaSetAvailable"
        and deployment.status.observed_generation != counted.observed_generation
    ):
        message = f'ReplicaSet "{name}" is progressing.'
        return _condition("True", "ReplicaSetUpdated", message, now), now + deployment.spec.progress_deadline_seconds
    return before, due if before.status == "True" and now < due else None


def _has_moved(before: DeploymentStatus, counted: DeploymentStatus) -> bool:
    """Pods of the new version came up, or pods of an old one went."""
    old_before, old_now = before.replicas - before.updated_replicas, counted.replicas - counted.updated_replicas
    return (
        counted.updated_replicas > before.updated_replicas
        or counted.ready_replicas > before.ready_replicas
        or counted.available_replicas > before.available_replicas
        or old_now < old_before
    )


def _condition(status: str, reason: str, message: str, now: float) -> Condition:
    return Condition(
        type="Progressing", status=status, reason=reason, message=message, last_update_time=to_rfc3339(now)
    )


def _stamped(condition: Condition, before: Condition | None, now: float) -> Condition:
    """As it was when nothing but the time has changed."""
    said = (condition.status, condition.reason, condition.message)
    moves = condition.reason == "ReplicaSetUpdated"
    if before is not None and not moves and said == (before.status, before.reason, before.message):
        return before
    since = before.last_transition_time if before is not None and before.status == condition.status else to_rfc3339(now)
    return msgspec.structs.replace(condition, last_transition_time=since)
