"""Whether the release starts anew: the pod template or the steps are other ones than the status speaks of."""

from controller.rollout.draft import Draft
from controller.rollout.hashing import step_hash
from meshsim.api.decode import Object


def raw_steps(raw: Object) -> list[Object]:
    """The steps as they stand on the wire."""
    canary: Object = ((raw.get("spec") or {}).get("strategy") or {}).get("canary") or {}
    return canary.get("steps") or []


def present_step_hash(draft: Draft) -> str:
    """The hash of the present steps; empty for blueGreen."""
    if draft.rollout.spec.strategy.blue_green is not None or draft.rollout.spec.strategy.canary is None:
        return ""
    return step_hash(raw_steps(draft.observed.raw))


def has_template_changed(draft: Draft) -> bool:
    """The present pod template isn't the one the status speaks of; false before there is any."""
    noted = draft.rollout.status.current_pod_hash
    if not noted:
        return False
    return noted != (draft.new.hash if draft.new else draft.observed.pod_hash)


def has_canary_changed(draft: Draft) -> bool:
    """The pod template or the steps have changed, or the status knows no steps yet."""
    noted = draft.rollout.status.current_step_hash
    return not noted or noted != present_step_hash(draft) or has_template_changed(draft)


def is_new_attempt(draft: Draft) -> bool:
    """A release begins: the first, or one of another template (for a canary, of other steps)."""
    if not draft.rollout.status.current_pod_hash:
        return True
    if draft.rollout.spec.strategy.canary is not None:
        return has_canary_changed(draft)
    return has_template_changed(draft)
