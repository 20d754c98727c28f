"""How far a rollout is, as its controller and its clients both reckon it: its step, its weight, its phase. Pure."""

from typing import Final, NamedTuple

from meshsim.api.analysis import COMPLETED_PHASES
from meshsim.api.rollouts import WORKLOAD_GENERATION_ANNOTATION, Rollout, RolloutSpec, RolloutStatus
from meshsim.api.steps import CanaryStep

FULL_WEIGHT: Final = 100


class Phase(NamedTuple):
    """Healthy, Progressing, Paused or Degraded, and why."""

    phase: str
    message: str = ""


def max_weight(rollout: Rollout) -> int:
    """The weight that means all traffic."""
    canary = rollout.spec.strategy.canary
    routing = canary.traffic_routing if canary else None
    return FULL_WEIGHT if routing is None or routing.max_traffic_weight is None else routing.max_traffic_weight


def current_index(rollout: Rollout) -> int | None:
    """The index of the current step; the number of steps when all are done, None without steps."""
    canary = rollout.spec.strategy.canary
    if canary is None or not canary.steps:
        return None
    return rollout.status.current_step_index or 0


def current_step(rollout: Rollout) -> CanaryStep | None:
    """The step that is being worked on; None when there is none (any more)."""
    canary, index = rollout.spec.strategy.canary, current_index(rollout)
    if canary is None or index is None or not 0 <= index < len(canary.steps):
        return None
    return canary.steps[index]


def current_set_weight(rollout: Rollout) -> int:
    """The weight that the steps so far ask for: 0 when aborted, all traffic when no step is left."""
    canary, index = rollout.spec.strategy.canary, current_index(rollout)
    if rollout.status.abort:
        return 0
    if canary is None or index is None or current_step(rollout) is None:
        return max_weight(rollout)
    weights = (step.set_weight for step in reversed(canary.steps[: index + 1]))
    return next((weight for weight in weights if weight is not None), 0)


def is_fully_promoted(status: RolloutStatus) -> bool:
    """The version that was asked for is the stable one."""
    return status.stable_rs == status.current_pod_hash


def observed_phase(rollout: Rollout, *, template_is_resolved: bool = False) -> Phase:
    """The phase that a client shows: the controller's, unless that one hasn't seen the latest change yet.

    `template_is_resolved` when the pod template was taken from the workload that `workloadRef` names.
    """
    status = rollout.status
    if not _generation_is_observed(rollout):
        return Phase("Progressing", "waiting for rollout spec update to be observed")
    if status.controller_pause and not status.pause_conditions:
        return Phase("Progressing", "waiting for rollout to unpause")
    if template_is_resolved and not _workload_is_observed(rollout):
        return Phase("Progressing", "waiting for rollout spec update to be observed for the reference workload")
    return Phase(status.phase, status.message) if status.phase else calculated_phase(rollout.spec, status)


def calculated_phase(spec: RolloutSpec, status: RolloutStatus) -> Phase:
    """The phase that the controller writes into the status."""
    for condition in status.conditions:
        if condition.type == "InvalidSpec":
            return Phase("Degraded", f"InvalidSpec: {condition.message}")
        if condition.reason in ("RolloutAborted", "ProgressDeadlineExceeded"):
            return Phase("Degraded", f"{condition.reason}: {condition.message}")
    if spec.paused:
        return Phase("Paused", "manually paused")
    if status.pause_conditions:
        return Phase("Paused", status.pause_conditions[0].reason)
    waiting_for = _waiting_for(spec, status)
    return Phase("Progressing", waiting_for) if waiting_for else Phase("Healthy")


def _waiting_for(spec: RolloutSpec, status: RolloutStatus) -> str:
    """What a rollout that neither failed nor pauses still waits for; empty when it is done."""
    replicas = 1 if spec.replicas is None else spec.replicas
    if spec.restart_at and spec.restart_at != status.restarted_at:
        return "rollout is restarting"
    if status.updated_replicas < replicas:
        return "more replicas need to be updated"
    if status.available_replicas < status.updated_replicas:
        return "updated replicas are still becoming available"
    if spec.strategy.blue_green is not None:
        return _blue_green_waits_for(spec, status)
    return _canary_waits_for(spec, status)


def _blue_green_waits_for(spec: RolloutSpec, status: RolloutStatus) -> str:
    active = status.blue_green.active_selector
    if not active or active != status.current_pod_hash:
        return "active service cutover pending"
    if status.stable_rs and is_fully_promoted(status):
        return ""
    blue_green, run = spec.strategy.blue_green, status.blue_green.post_promotion_analysis_run_status
    is_analysed = blue_green is not None and blue_green.post_promotion_analysis is not None
    if is_analysed and (run is None or run.status not in COMPLETED_PHASES):
        return "waiting for analysis to complete"
    return "waiting for post-promotion verification to complete"


def _canary_waits_for(spec: RolloutSpec, status: RolloutStatus) -> str:
    canary = spec.strategy.canary
    if canary is None:
        return ""
    if canary.traffic_routing is None and status.replicas > status.updated_replicas:
        return "old replicas are pending termination"
    if not status.stable_rs or not is_fully_promoted(status):
        return "waiting for all steps to complete"
    return ""


def _generation_is_observed(rollout: Rollout) -> bool:
    observed = _number(rollout.status.observed_generation)
    # A controller before 0.10 wrote a hash there, which may look like a large number.
    return observed is None or observed >= rollout.metadata.generation


def _workload_is_observed(rollout: Rollout) -> bool:
    wanted = _number(rollout.metadata.annotations.get(WORKLOAD_GENERATION_ANNOTATION, ""))
    observed = _number(rollout.status.workload_observed_generation)
    return wanted is None or observed is None or wanted == observed


def _number(text: str) -> int | None:
    try:
        return int(text)
    except ValueError:
        return None
