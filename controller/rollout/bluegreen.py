"""One reconcile of a blueGreen rollout: preview at once, active when everything is ready for it."""

from controller.rollout import hazards
from controller.rollout.analyses import is_pre_promotion_done, reconcile_analyses
from controller.rollout.changes import has_template_changed
from controller.rollout.draft import BLUE_GREEN_PAUSE, Draft, StoppedError
from controller.rollout.ephemeral import reconcile_metadata
from controller.rollout.history import reconcile_history
from controller.rollout.replicas import new_version_replicas
from controller.rollout.restart import reconcile_restart
from controller.rollout.rollback import is_fast_rollback
from controller.rollout.scaling import remove_deadlines, scale, scale_new, scale_others
from controller.rollout.services import selected_hash, selects_a_version, service_named, switch_service
from controller.rollout.status import begin_status, fast_reason, promote, reset_release, settle_status, skips_to_the_end
from controller.rollout.versions import Version, is_saturated, with_hash
from meshsim.api.decode import Object, decode
from meshsim.api.meta import LabelSelector
from meshsim.api.rollouts import BlueGreenStrategy
from meshsim.kit.timestamps import from_rfc3339


def reconcile_blue_green(draft: Draft) -> None:
    """Argo's order: what is decided first is seen by what comes after."""
    blue_green = _strategy(draft)
    if blue_green.preview_service:
        preview = service_named(draft, blue_green.preview_service)
        service_named(draft, blue_green.active_service)
        if not draft.is_halted:
            switch_service(draft, preview, _new(draft).hash)
    if has_template_changed(draft):
        _sync_status(draft)
        return
    reconcile_restart(draft)
    scale_blue_green(draft)
    _reconcile_pause(draft)
    _reconcile_active_service(draft)
    reconcile_analyses(draft)
    reconcile_metadata(draft)
    _sync_status(draft)


def _strategy(draft: Draft) -> BlueGreenStrategy:
    return draft.rollout.spec.strategy.blue_green or BlueGreenStrategy()


def _new(draft: Draft) -> Version:
    if draft.new is None:
        raise StoppedError("the ReplicaSet of the present template is missing")
    return draft.new


def _active_service(draft: Draft) -> Object:
    return service_named(draft, _strategy(draft).active_service)


def scale_blue_green(draft: Draft) -> None:
    """Stable keeps its size, the new version gets its own, the others go after a while."""
    remove_deadlines(draft)
    if draft.stable is not None:
        scale(draft, draft.stable, draft.replicas)
    scale_new(draft)
    scale_others(draft)
    reconcile_history(draft)


def _is_ready_for_pause(draft: Draft) -> bool:
    new = draft.new
    if new is None:
        return False
    return new.replicas == new.available == new_version_replicas(draft.rollout, new, draft.versions, None)


def _is_fast_tracked(draft: Draft) -> bool:
    """Nothing is waited for."""
    active = _active_service(draft)
    return (
        is_fast_rollback(draft)
        or draft.rollout.status.promote_full
        or not selects_a_version(active)
        or selected_hash(active) == _new(draft).hash
    )


def _reconcile_pause(draft: Draft) -> None:
    blue_green, status = _strategy(draft), draft.rollout.status
    if status.abort or not _is_ready_for_pause(draft) or draft.is_halted:
        return
    needs_pause = blue_green.auto_promotion_enabled is False or blue_green.auto_promotion_seconds > 0
    if _is_fast_tracked(draft) or status.blue_green.scale_up_preview_check_point or not needs_pause:
        draft.pauses.removed.add(BLUE_GREEN_PAUSE)
        return
    if not is_pre_promotion_done(draft):
        return
    paused = draft.pause(BLUE_GREEN_PAUSE)
    if paused is None:
        if not status.controller_pause:
            draft.pauses.added.append(BLUE_GREEN_PAUSE)
    elif _is_pause_over(draft):
        draft.pauses.removed.add(BLUE_GREEN_PAUSE)
    elif blue_green.auto_promotion_seconds > 0:
        until = from_rfc3339(paused.start_time) + blue_green.auto_promotion_seconds
        draft.wake(until, strictly_after=True)


def _is_pause_over(draft: Draft) -> bool:
    blue_green, status, paused = _strategy(draft), draft.rollout.status, draft.pause(BLUE_GREEN_PAUSE)
    if draft.pauses.added:
        return False
    if status.blue_green.scale_up_preview_check_point:
        return True
    if blue_green.auto_promotion_enabled is False:
        # The controller paused and somebody took the pause away.
        return status.controller_pause and paused is None
    if blue_green.auto_promotion_seconds == 0:
        return True
    return paused is not None and draft.now > from_rfc3339(paused.start_time) + blue_green.auto_promotion_seconds


def _reconcile_active_service(draft: Draft) -> None:
    """Not before every pod is available. Argo asks that first, even when an abort wants to go back."""
    new, active = _new(draft), _active_service(draft)
    if draft.is_halted:
        return
    if not _is_ready_for_pause(draft) or not is_saturated(new, draft.replicas):
        is_on_aborted = selected_hash(active) == new.hash != draft.rollout.status.stable_rs
        if draft.rollout.status.abort and is_on_aborted and new.replicas > 0:
            hazards.active_is_stranded(draft, _strategy(draft).active_service, new)
        return
    wanted = selected_hash(active)
    if _is_fast_tracked(draft) or (_is_pause_over(draft) and is_pre_promotion_done(draft)):
        wanted = new.hash
    if draft.rollout.status.abort:
        wanted = draft.rollout.status.stable_rs
    switch_service(draft, active, wanted)


def _sync_status(draft: Draft) -> None:
    begin_status(draft)
    if has_template_changed(draft):
        reset_release(draft)
    if skips_to_the_end(draft):
        draft.pauses.clears = draft.pauses.removes_abort = True
    preview = draft.services.get(_strategy(draft).preview_service)
    draft.set_blue_green_status(
        preview_selector=selected_hash(preview), active_selector=selected_hash(_active_service(draft))
    )
    reason = _promotion_reason(draft)
    if reason:
        promote(draft, reason)
    else:
        draft.set_blue_green_status(scale_up_preview_check_point=_passes_check_point(draft))
    _count_active(draft)
    settle_status(draft)


def _count_active(draft: Draft) -> None:
    """Once there is an active version, only its pods count."""
    active = with_hash(draft.versions, draft.status.blue_green.active_selector)
    if active is None:
        return
    draft.set_status(
        hpa_replicas=active.current,
        selector=str(decode(LabelSelector, active.obj["spec"].get("selector") or {})),
        available_replicas=active.available,
        ready_replicas=active.ready,
    )


def _promotion_reason(draft: Draft) -> str:
    """Why the new version becomes stable now, empty when it doesn't."""
    active, run = draft.status.blue_green.active_selector, draft.runs.post_promotion
    if draft.stable is None or not active:
        return "Initial deploy"
    if active != draft.status.current_pod_hash:
        return ""
    if fast_reason(draft):
        return fast_reason(draft)
    if draft.is_aborted:
        return ""
    if _strategy(draft).post_promotion_analysis is not None and (run is None or run.status.phase != "Successful"):
        return ""
    return "Completed blue-green update"


def _passes_check_point(draft: Draft) -> bool:
    """With `previewReplicaCount`: the preview was approved, the new version may grow. It stays so."""
    count = _strategy(draft).preview_replica_count
    if count is None:
        return False
    if draft.rollout.status.blue_green.scale_up_preview_check_point:
        return True
    if not is_pre_promotion_done(draft) or not _is_pause_over(draft):
        return False
    return draft.new is not None and draft.new.available == count
