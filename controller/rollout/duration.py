"""`status.duration`: when the present attempt began, how long people kept it waiting, and how it ended."""

import msgspec

from controller.rollout.changes import is_new_attempt
from controller.rollout.conditions import ABORTED, INVALID_SPEC, PROGRESSING, find
from controller.rollout.draft import (
    BLUE_GREEN_PAUSE,
    CANARY_PAUSE_STEP,
    INCONCLUSIVE_ANALYSIS,
    INCONCLUSIVE_EXPERIMENT,
    Draft,
)
from controller.rollout.rollback import is_fast_rollback, is_rollback
from meshsim.api.progress import current_step
from meshsim.api.rollouts import Rollout, RolloutDuration, RolloutStatus
from meshsim.kit.timestamps import from_rfc3339, to_rfc3339


def next_duration(draft: Draft, status: RolloutStatus) -> RolloutDuration | None:
    """The duration that belongs to a status whose other fields are made."""
    if find(status.conditions, INVALID_SPEC) is not None:
        return status.duration
    reached = draft.new is not None and draft.new.available >= draft.replicas
    is_finished = status.stable_rs == status.current_pod_hash and reached
    is_change = is_new_attempt(draft)
    before, duration = draft.rollout.status.duration, status.duration
    was_paused = before is not None and bool(before.manual_pause_started_at)
    if before is not None and before.rollout_started_at and not before.finished_at and duration is not None:
        duration = _continued(draft, duration, is_change=is_change, is_finished=is_finished)
        if is_finished and duration.finished_at:
            return duration
    if duration is None or (duration.finished_at and not is_finished):
        was_paused = False
        duration = _begun(draft, duration, is_change=is_change and not is_finished)
    if duration is None or duration.finished_at:
        return duration
    return _with_manual_pause(draft, status, duration, was_paused=was_paused)


def _continued(draft: Draft, duration: RolloutDuration, *, is_change: bool, is_finished: bool) -> RolloutDuration:
    if is_change and is_rollback(draft):
        outcome = "FastRolledBack" if is_fast_rollback(draft) else "RolledBack"
        duration = msgspec.structs.replace(duration, completion_status=outcome)
    elif is_change:
        duration = _ended(draft, duration, "Superseded")
    if is_finished and not duration.finished_at:
        return _ended(draft, duration, duration.completion_status or "Promoted")
    if draft.is_aborted and not duration.finished_at:
        return _ended(draft, duration, duration.completion_status or "Aborted")
    return duration


def _begun(draft: Draft, duration: RolloutDuration | None, *, is_change: bool) -> RolloutDuration | None:
    progressing = find(draft.rollout.status.conditions, PROGRESSING)
    is_retry = not draft.is_aborted and progressing is not None and progressing.reason == ABORTED
    if is_change or is_retry:
        return RolloutDuration(rollout_started_at=to_rfc3339(draft.now))
    return duration


def _ended(draft: Draft, duration: RolloutDuration, outcome: str) -> RolloutDuration:
    ended = msgspec.structs.replace(duration, finished_at=to_rfc3339(draft.now), completion_status=outcome)
    draft.ended = _without_manual_pause(draft, ended) if ended.manual_pause_started_at else ended
    return draft.ended


def _without_manual_pause(draft: Draft, duration: RolloutDuration) -> RolloutDuration:
    waited_s = int(draft.now - from_rfc3339(duration.manual_pause_started_at))
    return msgspec.structs.replace(
        duration,
        manual_pause_started_at="",
        total_manual_pause_duration_seconds=(duration.total_manual_pause_duration_seconds or 0) + waited_s,
    )


def _with_manual_pause(
    draft: Draft, status: RolloutStatus, duration: RolloutDuration, *, was_paused: bool
) -> RolloutDuration:
    is_paused = draft.rollout.spec.paused or any(
        needs_a_person(pause.reason, draft.rollout) for pause in status.pause_conditions
    )
    if was_paused and not is_paused and duration.manual_pause_started_at:
        return _without_manual_pause(draft, duration)
    if is_paused and not was_paused and not duration.manual_pause_started_at:
        return msgspec.structs.replace(duration, manual_pause_started_at=to_rfc3339(draft.now))
    return duration


def needs_a_person(reason: str, rollout: Rollout) -> bool:
    """Only somebody's command ends a pause for that reason."""
    if reason in (INCONCLUSIVE_ANALYSIS, INCONCLUSIVE_EXPERIMENT):
        return True
    if reason == CANARY_PAUSE_STEP:
        step = current_step(rollout)
        return step is not None and step.pause is not None and step.pause.duration is None
    blue_green = rollout.spec.strategy.blue_green
    return reason == BLUE_GREEN_PAUSE and blue_green is not None and blue_green.auto_promotion_enabled is False
