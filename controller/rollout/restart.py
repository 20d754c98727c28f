"""`restartAt`: pods that are older than that instant are replaced, few at a time."""

from collections.abc import Sequence
from typing import Final

from controller.rollout.actions import Evictions
from controller.rollout.draft import Draft
from controller.rollout.replicas import max_unavailable
from controller.rollout.versions import total_asked
from meshsim.api.core import Pod
from meshsim.api.decode import decode
from meshsim.api.rollouts import Rollout
from meshsim.kit.timestamps import from_rfc3339

_RETRY_S: Final = 30.0


class EvictionsWantedError(Exception):
    """The reconcile can't be planned before it is known how many of these pods may be evicted."""

    def __init__(self, evictions: Evictions) -> None:
        super().__init__()
        self.evictions = evictions


def needs_restart(rollout: Rollout, now: float) -> bool:
    """The instant has passed and not all pods were replaced yet."""
    restart_at = _instant(rollout.spec.restart_at)
    return restart_at is not None and restart_at < now and rollout.status.restarted_at != rollout.spec.restart_at


def _instant(stamp: str) -> float | None:
    try:
        return from_rfc3339(stamp) if stamp else None
    except ValueError:
        return None


def reconcile_restart(draft: Draft) -> int:
    """Evict what is due and may be missed; note the restart when nothing is left. Returns how many were evicted.

    Raises EvictionsWantedError as long as nobody has tried.
    """
    rollout = draft.rollout
    restart_at = _instant(rollout.spec.restart_at)
    if restart_at is None:
        return 0
    draft.wake(restart_at, strictly_after=True)
    if not needs_restart(rollout, draft.now):
        return 0
    pods = [decode(Pod, pod) for pod in draft.observed.pods]
    due = [pod for pod in pods if from_rfc3339(pod.metadata.creation_timestamp) < restart_at]
    evicted = _evicted(draft, pods, due)
    if len(due) > evicted:
        draft.wake(draft.now + _RETRY_S)
    else:
        draft.set_status(restarted_at=rollout.spec.restart_at)
    return evicted


def _evicted(draft: Draft, pods: Sequence[Pod], due: Sequence[Pod]) -> int:
    if draft.observed.evicted is not None:
        return draft.observed.evicted
    rollout = draft.rollout
    available = sum(_is_available(pod, rollout.spec.min_ready_seconds, draft.now) for pod in pods)
    size = max(draft.replicas, total_asked(draft.versions))
    may_go = available - (size - max(max_unavailable(rollout), 1))
    candidates = tuple(pod.metadata.key for pod in due if not pod.is_terminating)
    if may_go > 0 and candidates:
        raise EvictionsWantedError(Evictions(candidates, may_go))
    return 0


def _is_available(pod: Pod, min_ready_seconds: int, now: float) -> bool:
    ready = next((condition for condition in pod.status.conditions if condition.type == "Ready"), None)
    if ready is None or ready.status != "True" or pod.is_terminating:
        return False
    since = _instant(ready.last_transition_time)
    return not min_ready_seconds or (since is not None and since + min_ready_seconds <= now)
