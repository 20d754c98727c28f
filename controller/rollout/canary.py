"""One reconcile of a canary: services and weights first, then pods, then the steps."""

from controller.rollout import hazards
from controller.rollout.analyses import reconcile_analyses
from controller.rollout.changes import has_canary_changed, has_template_changed
from controller.rollout.draft import CANARY_PAUSE_STEP, Draft
from controller.rollout.ephemeral import reconcile_metadata
from controller.rollout.experiments import reconcile_experiments
from controller.rollout.history import reconcile_history
from controller.rollout.replicas import at_desired_counts, threshold_met
from controller.rollout.restart import reconcile_restart
from controller.rollout.rollback import is_within_window
from controller.rollout.scaling import scale_canary
from controller.rollout.services import reconcile_canary_services, reconcile_ping_pong
from controller.rollout.status import begin_status, fast_reason, promote, reset_release, settle_status, skips_to_the_end
from controller.rollout.steps import pause_seconds, step_text
from controller.rollout.weights import reconcile_traffic
from meshsim.api.progress import current_index, current_step
from meshsim.api.routes import canary_of
from meshsim.api.steps import CanaryStep, Pause
from meshsim.kit.timestamps import from_rfc3339


def reconcile_canary(draft: Draft) -> None:
    """Argo's order: what is decided first is seen by what comes after."""
    if has_canary_changed(draft):
        _sync_status(draft)
        return
    if reconcile_restart(draft) > 0:
        # The counts that were seen don't know of the evicted pods: nothing more is decided from them.
        draft.keep_status()
        return
    reconcile_metadata(draft)
    reconcile_history(draft)
    reconcile_ping_pong(draft)
    reconcile_canary_services(draft)
    reconcile_traffic(draft)
    reconcile_experiments(draft)
    reconcile_analyses(draft)
    if not draft.pauses.added and not scale_canary(draft):
        _reconcile_pause(draft)
    _sync_status(draft)


def _reconcile_pause(draft: Draft) -> None:
    status, step = draft.rollout.status, current_step(draft.rollout)
    if draft.rollout.spec.paused or status.promote_full or step is None or step.pause is None:
        return
    paused = draft.pause(CANARY_PAUSE_STEP)
    if paused is not None:
        if step.pause.duration is not None:
            draft.wake(from_rfc3339(paused.start_time) + pause_seconds(step.pause), strictly_after=True)
    elif not status.controller_pause:
        draft.pauses.added.append(CANARY_PAUSE_STEP)


def _sync_status(draft: Draft) -> None:
    begin_status(draft)
    draft.set_canary_status(stable_ping_pong=draft.rollout.status.canary.stable_ping_pong)
    if has_canary_changed(draft):
        _begin_release(draft)
    else:
        _go_on(draft)
    settle_status(draft)


def _begin_release(draft: Draft) -> None:
    if not has_template_changed(draft):
        hazards.weight_falls(draft)
    reset_release(draft)
    steps, new = len(canary_of(draft.rollout).steps), draft.new
    if new is None or not steps:
        return
    if draft.rollout.status.stable_rs == new.hash:
        draft.emit("SkipSteps", "Rollback to stable ReplicaSets")
        draft.set_status(current_step_index=steps)
    elif is_within_window(draft) and new.replicas > 0:
        draft.emit("SkipSteps", "Rollback to active ReplicaSets within RollbackWindow")
        draft.set_status(current_step_index=steps)


def _go_on(draft: Draft) -> None:
    steps, index = len(canary_of(draft.rollout).steps), current_index(draft.rollout)
    if skips_to_the_end(draft):
        draft.pauses.clears = draft.pauses.removes_abort = True
        index = steps or index
    reason = _promotion_reason(draft)
    if reason:
        promote(draft, reason)
    elif draft.is_aborted:
        if steps:
            is_promoted = draft.status.stable_rs == draft.status.current_pod_hash
            draft.set_status(current_step_index=steps if is_promoted else 0)
    else:
        draft.set_status(current_step_index=_next_index(draft, index))


def _promotion_reason(draft: Draft) -> str:
    """Why the new version becomes stable now, empty when it doesn't."""
    canary, new = canary_of(draft.rollout), draft.new
    if draft.stable is None:
        return "Initial deploy"
    if draft.is_aborted or new is None:
        return ""
    enough = threshold_met(canary.replica_progress_threshold, new, draft.replicas)
    if new.available < draft.replicas and not enough:
        return ""
    if fast_reason(draft):
        return fast_reason(draft)
    steps, index = len(canary.steps), current_index(draft.rollout)
    return f"Completed all {steps} canary steps" if not steps or index == steps else ""


def _next_index(draft: Draft, index: int | None) -> int | None:
    """At most one step further in a reconcile."""
    step, canary = current_step(draft.rollout), canary_of(draft.rollout)
    if index is None or step is None or draft.rollout.spec.paused or not _is_complete(draft, step):
        return index
    following = index + 1
    draft.set_canary_status(current_step_analysis_run_status=None)
    # Argo counts past the last step when a full promotion meets a step that is just complete, and says so.
    steps = max(following, len(canary.steps))
    draft.emit("RolloutStepCompleted", f"Rollout step {following}/{steps} completed ({step_text(step)})")
    draft.pauses.removed.add(CANARY_PAUSE_STEP)
    return following


def _is_complete(draft: Draft, step: CanaryStep) -> bool:
    """The first field that is set decides, in Argo's order."""
    if step.pause is not None:
        return _is_pause_over(draft, step.pause)
    if step.set_canary_scale is not None:
        return _is_at_desired_counts(draft)
    if step.set_weight is not None:
        weights = draft.status.canary.weights
        return _is_at_desired_counts(draft) and (weights is None or weights.verified is not False)
    if step.experiment is not None:
        return draft.experiment is not None and draft.experiment.status.phase == "Successful"
    if step.analysis is not None:
        return draft.runs.step is not None and draft.runs.step.status.phase == "Successful"
    return step.set_header_route is not None or step.set_mirror_route is not None


def _is_at_desired_counts(draft: Draft) -> bool:
    weights = draft.status.canary.weights
    return at_desired_counts(draft.rollout, draft.new, draft.stable, draft.others, weights)


def _is_pause_over(draft: Draft, pause: Pause) -> bool:
    paused = draft.pause(CANARY_PAUSE_STEP)
    if paused is None:
        # The controller paused and somebody took the pause away.
        return draft.rollout.status.controller_pause
    if pause.duration is None:
        return False
    return draft.now > from_rfc3339(paused.start_time) + pause_seconds(pause)
