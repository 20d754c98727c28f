"""Whether the release starts anew: the pod template or the steps are other ones than the status speaks of."""

from controller.rollout.draft import Draft


def has_template_changed(draft: Draft) -> bool:
    """The present pod template isn't the one the status speaks of; false before there is any."""
    noted = draft.rollout.status.current_pod_hash
    if not noted:
        return False
    return noted != (draft.new.hash if draft.new else draft.observed.pod_hash)


def has_canary_changed(draft: Draft) -> bool:
    """The pod template or the steps have changed, or the status knows no steps yet."""
    noted = draft.rollout.status.current_step_hash
    return not noted or noted != draft.observed.step_hash or has_template_changed(draft)


def is_new_attempt(draft: Draft) -> bool:
    """A release begins: the first, or one of another template (for a canary, of other steps)."""
    if not draft.rollout.status.current_pod_hash:
        return True
    if draft.rollout.spec.strategy.canary is not None:
        return has_canary_changed(draft)
    return has_template_changed(draft)
