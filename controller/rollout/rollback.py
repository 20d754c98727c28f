"""Going back to a version that was there before."""

from typing import Final

from controller.rollout.draft import Draft

_EXPERIMENT_ANNOTATION: Final = "experiment.argoproj.io/name"


def is_rollback(draft: Draft) -> bool:
    """The present template is the stable one or older than it. On an idle rollout this says nothing."""
    new, stable = draft.new, draft.stable
    if new is None or stable is None:
        return False
    return draft.rollout.status.stable_rs == new.hash or new.created < stable.created


def is_within_window(draft: Draft) -> bool:
    """Back at an older version with fewer versions in between than `rollbackWindow` allows."""
    new, stable, window = draft.new, draft.stable, draft.rollout.spec.rollback_window
    if new is None or stable is None or new.created >= stable.created or window is None or window.revisions <= 0:
        return False
    between = [
        version
        for version in draft.versions
        if new.created < version.created < stable.created and not version.annotations.get(_EXPERIMENT_ANNOTATION)
    ]
    return len(between) < window.revisions


def is_fast_rollback(draft: Draft) -> bool:
    """A rollback that skips steps, pauses and analyses."""
    if not is_rollback(draft) or draft.new is None:
        return False
    if draft.rollout.status.stable_rs == draft.new.hash or is_within_window(draft):
        return True
    observed = next((known for known in draft.observed.versions if known.name == draft.new_name), None)
    deadline = observed.scale_down_at if observed else None
    is_still_kept = deadline is not None and deadline > draft.now
    return is_still_kept and draft.rollout.spec.strategy.blue_green is not None


def rollback_reason(draft: Draft) -> str:
    """How a fast rollback is announced."""
    return "Rollback within window" if is_within_window(draft) else "Fast rollback"
