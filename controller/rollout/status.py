"""The status of a rollout: made once, at the end of a reconcile, from what the reconcile saw and decided."""

import msgspec

from controller.rollout import conditions
from controller.rollout.conditions import (
    ABORTED,
    AVAILABLE,
    COMPLETED,
    HEALTHY,
    INVALID_SPEC,
    PROGRESSING,
    REPLICA_FAILURE,
    TIMED_OUT,
)
from controller.rollout.draft import Draft
from controller.rollout.duration import next_duration
from controller.rollout.rollback import is_fast_rollback, is_within_window, rollback_reason
from controller.rollout.versions import is_saturated, total_available, total_current, total_ready, with_hash
from controller.rollout.workload import follow_promotion
from meshsim.api.meta import Condition
from meshsim.api.progress import calculated_phase, current_step
from meshsim.api.rollouts import WORKLOAD_GENERATION_ANNOTATION, PauseCondition
from meshsim.kit.timestamps import to_rfc3339


def begin_status(draft: Draft) -> None:
    """Fill in what both strategies count the same way, from the ReplicaSets as they were seen."""
    old, new = draft.rollout.status, draft.new
    current_hash = new.hash if new else draft.observed.pod_hash
    kept = conditions.without(old.conditions, INVALID_SPEC)
    if draft.found_condition is not None:
        kept = conditions.put(kept, draft.found_condition)
    seen = draft.observed.versions
    draft.set_status(
        current_pod_hash=current_hash,
        replicas=total_current(seen),
        updated_replicas=new.current if new else 0,
        ready_replicas=total_ready(seen),
        available_replicas=total_available(seen),
        hpa_replicas=total_current(seen),
        selector=str(draft.rollout.spec.selector or ""),
        collision_count=old.collision_count,
        conditions=kept,
        stable_rs=old.stable_rs,
        # Argo compares with a stable hash that isn't filled in yet, so a promotion in full is kept here, always.
        promote_full=bool(current_hash) and old.promote_full,
        current_step_hash=draft.observed.step_hash,
    )


def reset_release(draft: Draft) -> None:
    """A release begins: nothing of the former one holds any more."""
    draft.pauses.clears = draft.pauses.removes_abort = True
    canary = draft.rollout.spec.strategy.canary
    draft.set_status(promote_full=False, current_step_index=0 if canary and canary.steps else None)
    draft.set_blue_green_status(
        pre_promotion_analysis_run_status=None,
        post_promotion_analysis_run_status=None,
        scale_up_preview_check_point=False,
    )
    draft.set_canary_status(current_step_analysis_run_status=None, current_background_analysis_run_status=None)


def promote(draft: Draft, reason: str) -> None:
    """The present template becomes the stable one."""
    draft.pauses.clears = draft.pauses.removes_abort = True
    canary = draft.rollout.spec.strategy.canary
    draft.set_status(promote_full=False)
    draft.set_blue_green_status(scale_up_preview_check_point=False)
    if canary is not None:
        draft.set_status(current_step_index=len(canary.steps) or None)
    if draft.status.stable_rs != draft.status.current_pod_hash:
        if canary is not None and canary.ping_pong is not None:
            was_ping = draft.rollout.status.canary.stable_ping_pong == "ping"
            draft.set_canary_status(stable_ping_pong="pong" if was_ping else "ping")
        duration = draft.status.duration
        if duration is not None and not duration.completion_status:
            outcome = "FastPromoted" if draft.rollout.status.promote_full else "Promoted"
            draft.set_status(duration=msgspec.structs.replace(duration, completion_status=outcome))
        draft.set_status(stable_rs=draft.status.current_pod_hash)
        draft.emit(
            "RolloutCompleted",
            f"Rollout completed update to revision {draft.revision} ({draft.status.current_pod_hash}): {reason}",
        )
    follow_promotion(draft)


def skips_to_the_end(draft: Draft) -> bool:
    """No step and no pause holds it up: promoted in full, or back within the rollback window."""
    return draft.rollout.status.promote_full or is_within_window(draft)


def fast_reason(draft: Draft) -> str:
    """Why it is promoted without having done its steps, empty when it isn't."""
    if draft.rollout.status.promote_full:
        return "Full promotion requested"
    return rollback_reason(draft) if is_fast_rollback(draft) else ""


def settle_status(draft: Draft) -> None:
    """Fill in what follows from everything else: abort, pauses, conditions, phase, duration."""
    draft.set_status(observed_generation=str(draft.rollout.metadata.generation))
    if draft.rollout.spec.workload_ref is not None:
        generation = draft.annotations.get(WORKLOAD_GENERATION_ANNOTATION, "")
        draft.set_status(workload_observed_generation=generation)
    _abort_when_late(draft)
    _settle_pauses(draft)
    _settle_conditions(draft)
    phase, message = calculated_phase(draft.rollout.spec, draft.status)
    draft.set_status(phase=phase, message=message)
    draft.set_status(duration=next_duration(draft, draft.status))
    _announce_pause(draft)
    _wake_for_progress(draft)


def is_waiting_by_design(draft: Draft) -> bool:
    """The present step may take as long as it likes."""
    step = current_step(draft.rollout)
    if step is not None and (step.experiment or step.analysis or step.pause is not None):
        return True
    paused = conditions.find(draft.rollout.status.conditions, conditions.PAUSED)
    return paused is not None and paused.status == "True"


def _counts_as_stuck(draft: Draft) -> bool:
    waits_for_deadline = any(version.has_scale_down_deadline for version in draft.others)
    return not is_waiting_by_design(draft) and not waits_for_deadline


def _abort_when_late(draft: Draft) -> None:
    """`progressDeadlineAbort`; two events say so, Argo's way."""
    rollout, status = draft.rollout, draft.status
    if not rollout.spec.progress_deadline_abort or draft.is_aborted or conditions.is_completed(status):
        return
    if conditions.has_progressed(rollout, status) or not _counts_as_stuck(draft):
        return
    if conditions.has_timed_out(rollout, rollout.status, draft.now):
        message = _about_new(draft, "has timed out progressing.")
        draft.pauses.abort(message)
        draft.warn(ABORTED, message)


def _settle_pauses(draft: Draft) -> None:
    old, pauses = draft.rollout.status, draft.pauses
    if pauses.adds_abort or (not pauses.removes_abort and old.abort):
        draft.set_status(abort=True, aborted_at=old.aborted_at or to_rfc3339(draft.now))
        return
    draft.set_status(abort=False, aborted_at="")
    if pauses.clears:
        return
    kept = [pause for pause in old.pause_conditions if pause.reason not in pauses.removed]
    known = {pause.reason for pause in old.pause_conditions}
    # Two analyses that are inconclusive at once are two conditions, in Argo too.
    added = [reason for reason in pauses.added if reason not in known]
    stamp = to_rfc3339(draft.now)
    kept += [PauseCondition(reason=reason, start_time=stamp) for reason in added]
    if kept:
        draft.set_status(pause_conditions=tuple(kept), controller_pause=old.controller_pause or bool(added))


def _put(draft: Draft, kind: str, status: str, reason: str, message: str) -> bool:
    """Set a condition; whether that changed anything."""
    before = draft.status.conditions
    draft.set_status(conditions=conditions.put(before, conditions.new(kind, status, reason, message, draft.now)))
    return draft.status.conditions is not before


def _settle_conditions(draft: Draft) -> None:
    became_unhealthy = _settle_health(draft)
    if draft.is_aborted:
        message = f"Rollout aborted update to revision {draft.revision}"
        if draft.pauses.abort_message:
            message = f"{message}: {draft.pauses.abort_message}"
        if _put(draft, PROGRESSING, "False", ABORTED, message):
            draft.warn(ABORTED, message)
    else:
        _settle_progress(draft, became_unhealthy=became_unhealthy)
    _settle_availability(draft)
    _settle_failure(draft)
    if conditions.is_completed(draft.status):
        _put(draft, COMPLETED, "True", "RolloutCompleted", "RolloutCompleted")
    elif _put(draft, COMPLETED, "False", "RolloutCompleted", "RolloutCompleted"):
        draft.emit(
            "RolloutNotCompleted",
            f"Rollout not completed, started update to revision {draft.revision} ({draft.status.current_pod_hash})",
        )


def _settle_health(draft: Draft) -> bool:
    is_paused = bool(draft.status.pause_conditions) or draft.rollout.spec.paused
    if not is_paused and conditions.is_healthy(draft.rollout, draft.status):
        _put(draft, HEALTHY, "True", "RolloutHealthy", "Rollout is healthy")
        return False
    if conditions.find(draft.rollout.status.conditions, HEALTHY) is None:
        return False
    return _put(draft, HEALTHY, "False", "RolloutHealthy", "Rollout is not healthy")


def _settle_progress(draft: Draft, *, became_unhealthy: bool) -> None:
    rollout, status = draft.rollout, draft.status
    if conditions.is_healthy(rollout, status):
        name = draft.new.name if draft.new else ""
        _put(draft, PROGRESSING, "True", "NewReplicaSetAvailable", f'ReplicaSet "{name}" has successfully progressed.')
    elif conditions.has_progressed(rollout, status) or became_unhealthy:
        reason, message = "ReplicaSetUpdated", _about_new(draft, "is progressing.")
        if status.stable_rs == status.current_pod_hash and became_unhealthy:
            reason, message = "ReplicaSetNotAvailable", "Rollout does not have minimum availability"
        condition = conditions.new(PROGRESSING, "True", reason, message, draft.now)
        draft.set_status(conditions=conditions.renew(status.conditions, condition))
    elif _counts_as_stuck(draft) and conditions.has_timed_out(rollout, status, draft.now):
        _put(draft, PROGRESSING, "False", TIMED_OUT, _about_new(draft, "has timed out progressing."))


def _about_new(draft: Draft, what: str) -> str:
    return f'ReplicaSet "{draft.new.name}" {what}' if draft.new else f'Rollout "{draft.rollout.metadata.name}" {what}'


def _settle_availability(draft: Draft) -> None:
    strategy, seen = draft.rollout.spec.strategy, draft.versions
    if strategy.blue_green is not None:
        active = with_hash(seen, draft.status.blue_green.active_selector)
        is_available = is_saturated(active, draft.replicas)
    else:
        is_available = total_available(seen) >= draft.replicas
    message = "Rollout has minimum availability" if is_available else "Rollout does not have minimum availability"
    _put(draft, AVAILABLE, "True" if is_available else "False", "AvailableReason", message)


def _settle_failure(draft: Draft) -> None:
    failure = _replica_failure(draft)
    if failure is None:
        draft.set_status(conditions=conditions.without(draft.status.conditions, REPLICA_FAILURE))
    else:
        draft.set_status(conditions=conditions.put(draft.status.conditions, failure))


def _replica_failure(draft: Draft) -> Condition | None:
    first = [draft.new] if draft.new else []
    for version in (*first, *draft.versions):
        for condition in (version.obj.get("status") or {}).get("conditions") or []:
            if condition.get("type") == REPLICA_FAILURE:
                stamp = condition.get("lastTransitionTime") or ""
                return Condition(
                    type=REPLICA_FAILURE,
                    status=condition.get("status") or "",
                    reason=condition.get("reason") or "",
                    message=condition.get("message") or "",
                    last_update_time=stamp,
                    last_transition_time=stamp,
                )
    return None


def _announce_pause(draft: Draft) -> None:
    before, after = draft.rollout.status.pause_conditions, draft.status.pause_conditions
    if after and not before:
        draft.announce("RolloutPaused", f"Rollout is paused ({after[0].reason})")
    elif before and not after and not draft.status.aborted_at:
        draft.announce("RolloutResumed", "Rollout is resumed")


def _wake_for_progress(draft: Draft) -> None:
    deadline = conditions.deadline_of(draft.rollout, draft.status)
    if deadline is not None and not conditions.is_healthy(draft.rollout, draft.status):
        draft.wake(deadline, strictly_after=True)
