"""The plan of one reconcile: a pure, total function of what was observed and of the instant."""

from typing import Final

import msgspec

from controller.rollout import conditions
from controller.rollout.actions import Patch, Plan
from controller.rollout.analyses import find_runs
from controller.rollout.bluegreen import reconcile_blue_green, scale_blue_green
from controller.rollout.canary import reconcile_canary
from controller.rollout.claims import claim
from controller.rollout.conditions import ABORTED, INVALID_SPEC, NOT_CREATED, PAUSED, PROGRESSING, ROLLOUT_PAUSED
from controller.rollout.draft import RESYNC_S, Draft, StoppedError
from controller.rollout.duration import next_duration
from controller.rollout.experiments import find_experiments
from controller.rollout.new_version import create_new, find_new, sync_revision
from controller.rollout.observed import Observed
from controller.rollout.restart import EvictionsWantedError
from controller.rollout.rules import Rules
from controller.rollout.scaling import scale_canary
from controller.rollout.status import settle_status
from controller.rollout.validity import first_fault
from controller.rollout.versions import total_available, total_current, with_hash
from controller.rollout.workload import note_generation
from meshsim.api.decode import Object, encode
from meshsim.api.kinds import ROLLOUT
from meshsim.api.merge_patch import patch_between
from meshsim.api.progress import calculated_phase
from meshsim.api.validate.fields import is_usable

_UNRESOLVED_RETRY_S: Final = 20.0


def plan(observed: Observed, now: float, rules: Rules = Rules()) -> Plan:  # noqa: B008 - frozen
    """What the controller does about this rollout now."""
    if observed.rollout.metadata.deletion_timestamp:
        return Plan()
    selector = observed.rollout.spec.selector
    if selector is not None and not is_usable(selector):
        return Plan(error=f"rollout {observed.rollout.metadata.key} has invalid label selector")
    if observed.orphans or observed.strays:
        return claim(observed, now)
    draft = Draft(observed, now, rules)
    new = find_new(observed)
    draft.new_name = new.name if new else ""
    find_runs(draft)
    find_experiments(draft)
    try:
        _reconcile(draft)
    except StoppedError as stopped:
        return Plan(actions=tuple(draft.actions), error=str(stopped))
    except EvictionsWantedError as wanted:
        return Plan(evictions=wanted.evictions)
    return Plan(
        actions=tuple(draft.actions),
        status_patch=_status_patch(draft),
        announcements=tuple(draft.announcements),
        wake_at=min(draft.wakes, default=now + RESYNC_S),
        ended=draft.ended,
        error=draft.retries_because,
    )


def plan_of_refusal(observed: Observed, name: str, why: str, now: float) -> Plan:
    """What the controller says when the API doesn't take the ReplicaSet of a new version."""
    draft = Draft(observed, now)
    message = f'Failed to create new replica set "{name}": {why}'
    draft.warn(NOT_CREATED, message)
    condition = conditions.new(PROGRESSING, "False", NOT_CREATED, message, now)
    _keep_with(draft, conditions.put(observed.rollout.status.conditions, condition))
    return Plan(actions=tuple(draft.actions), status_patch=_status_patch(draft))


def _status_patch(draft: Draft) -> Object | None:
    before, after = encode(draft.rollout.status), encode(draft.status)
    return patch_between(before, after) or None


def _reconcile(draft: Draft) -> None:
    observed = draft.observed
    if observed.unresolved:
        _mark_invalid(draft, observed.unresolved)
        draft.wake(draft.now + _UNRESOLVED_RETRY_S)
        return
    fault = first_fault(observed)
    if fault:
        _mark_invalid(draft, fault)
        draft.retries_because = fault
        return
    note_generation(draft)
    if draft.new is None:
        create_new(draft)
        return
    if _completes_spec(draft):
        draft.keep_status()
        return
    if draft.is_fully_promoted and draft.is_aborted:
        draft.pauses.removes_abort = True
    if _settle_paused_conditions(draft):
        return
    sync_revision(draft)
    if _is_scaling_event(draft):
        _sync_replicas_only(draft)
    elif draft.rollout.spec.strategy.blue_green is not None:
        reconcile_blue_green(draft)
    else:
        reconcile_canary(draft)


def _completes_spec(draft: Draft) -> bool:
    """Write into the spec what Argo writes there: a size, and a template that anybody can read."""
    rollout, asked = draft.rollout, draft.observed.raw["spec"]
    spec: Object = {"replicas": 1} if rollout.spec.replicas is None else {}
    if rollout.spec.workload_ref is None:
        template = patch_between(asked.get("template") or {}, rollout.spec.template)
        spec |= {"template": template} if template else {}
    if spec:
        draft.actions.append(Patch(ROLLOUT, rollout.metadata.key, {"spec": spec}))
    return bool(spec)


def _mark_invalid(draft: Draft, fault: str) -> None:
    message = f'The Rollout "{draft.rollout.metadata.name}" is invalid: {fault}'
    old = draft.rollout.status
    known = conditions.find(old.conditions, INVALID_SPEC)
    kept = old.conditions if known and known.message == message else conditions.without(old.conditions, INVALID_SPEC)
    condition = conditions.new(INVALID_SPEC, "True", INVALID_SPEC, message, draft.now)
    _keep_with(draft, conditions.put(kept, condition))


def _keep_with(draft: Draft, changed: conditions.Conditions) -> None:
    """The status as it was, with these conditions and what follows from them."""
    draft.status = msgspec.structs.replace(
        draft.rollout.status, conditions=changed, observed_generation=str(draft.rollout.metadata.generation)
    )
    phase, message = calculated_phase(draft.rollout.spec, draft.status)
    draft.set_status(phase=phase, message=message)
    draft.set_status(duration=next_duration(draft, draft.status))


def _settle_paused_conditions(draft: Draft) -> bool:
    """Note that the rollout was paused, resumed or tried again; when something was noted the reconcile ends."""
    rollout, status = draft.rollout, draft.rollout.status
    if status.observed_generation != str(rollout.metadata.generation):
        return False
    progressing = conditions.find(status.conditions, PROGRESSING)
    paused = conditions.find(status.conditions, PAUSED)
    is_noted = progressing is not None and progressing.reason == ROLLOUT_PAUSED
    was_aborted = progressing is not None and progressing.reason == ABORTED
    is_paused = bool(status.pause_conditions) or rollout.spec.paused
    noted: list[tuple[str, str, str, str]] = []
    if is_paused != is_noted and not was_aborted and not conditions.is_completed(status):
        if is_paused:
            noted.append((PROGRESSING, "Unknown", ROLLOUT_PAUSED, "Rollout is paused"))
        else:
            noted.append((PROGRESSING, "Unknown", "RolloutResumed", "Rollout is resumed"))
    if was_aborted and not status.abort:
        noted.append((PROGRESSING, "Unknown", "RolloutRetry", "Retrying Rollout after abort"))
    if is_paused != (paused is not None and paused.status == "True") and not was_aborted:
        noted.append((PAUSED, "True" if is_paused else "False", ROLLOUT_PAUSED, "Rollout is paused"))
    if not noted:
        return False
    changed = status.conditions
    for kind, state, reason, message in noted:
        changed = conditions.put(changed, conditions.new(kind, state, reason, message, draft.now))
    _keep_with(draft, changed)
    return draft.status != status


def _is_scaling_event(draft: Draft) -> bool:
    """Somebody changed the rollout's size since the new or the stable version was scaled."""
    return any(
        version is not None
        and version.replicas > 0
        and version.noted_replicas is not None
        and version.noted_replicas != draft.replicas
        for version in (draft.new, draft.stable)
    )


def _sync_replicas_only(draft: Draft) -> None:
    """Only the pods follow at once: no weights, no steps."""
    draft.status = draft.rollout.status
    if draft.rollout.spec.strategy.blue_green is not None:
        scale_blue_green(draft)
    else:
        scale_canary(draft)
    draft.set_status(available_replicas=total_available(draft.versions), hpa_replicas=total_current(draft.versions))
    active = with_hash(draft.versions, draft.status.blue_green.active_selector)
    if draft.rollout.spec.strategy.blue_green is not None and active is not None:
        draft.set_status(available_replicas=active.available, hpa_replicas=active.current)
    settle_status(draft)
