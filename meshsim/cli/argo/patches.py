"""What the verbs of Argo's plugin write: pure functions from a Rollout to patches of its status and spec."""

from dataclasses import dataclass
from typing import Final

from meshsim.api.decode import Object
from meshsim.api.progress import current_index, is_fully_promoted
from meshsim.api.rollouts import Rollout
from meshsim.kit.errors import MeshsimError

ABORT: Final[Object] = {"status": {"abort": True}}
RETRY: Final[Object] = {"status": {"abort": False}}
RETRY_EXPERIMENT: Final[Object] = {"status": None}
PAUSE: Final[Object] = {"spec": {"paused": True}}
RESUME: Final[Object] = {"spec": {"paused": False}}
TERMINATE: Final[Object] = {"spec": {"terminate": True}}

_BOTH_SKIPS: Final = "Cannot use skip-current-step and skip-all-steps flags at the same time"


@dataclass(frozen=True, slots=True)
class Patches:
    """Merge patches, sent in this order; None is not sent."""

    status: Object | None = None
    spec: Object | None = None


def promote_patches(
    rollout: Rollout, *, full: bool = False, skip_current_step: bool = False, skip_all_steps: bool = False
) -> Patches:
    """What `promote` sends. Raises MeshsimError for skip flags that don't fit the rollout."""
    spec = RESUME if rollout.spec.paused else None
    if skip_current_step and skip_all_steps:
        raise MeshsimError(_BOTH_SKIPS)
    if skip_current_step or skip_all_steps:
        return _skip_patches(rollout, all_steps=skip_all_steps)
    if full:
        return Patches(None if is_fully_promoted(rollout.status) else {"status": {"promoteFull": True}}, spec)
    return Patches(_promote_status(rollout), spec)


def _skip_patches(rollout: Rollout, *, all_steps: bool) -> Patches:
    strategy = rollout.spec.strategy
    if strategy.blue_green is not None:
        raise MeshsimError("Cannot skip steps of a bluegreen rollout. Run without a flags")
    if strategy.canary is None or not strategy.canary.steps:
        raise MeshsimError("Cannot skip steps of a rollout without steps")
    index = len(strategy.canary.steps) if all_steps else _next_index(rollout)
    return Patches({"status": {"currentStepIndex": index}})


def _promote_status(rollout: Rollout) -> Object | None:
    """A rollout that doesn't pause loses its current step, whatever it is: Argo's trap, kept."""
    status, index = rollout.status, _next_index(rollout)
    if not status.pause_conditions:
        return None if index is None else {"status": {"pauseConditions": None, "currentStepIndex": index}}
    if not (_is_inconclusive(rollout) and status.controller_pause):
        return {"status": {"pauseConditions": None}}
    if index is None:
        return None
    return {"status": {"pauseConditions": None, "controllerPause": False, "currentStepIndex": index}}


def _is_inconclusive(rollout: Rollout) -> bool:
    run = rollout.status.canary.current_step_analysis_run_status
    return rollout.spec.strategy.canary is not None and run is not None and run.status == "Inconclusive"


def _next_index(rollout: Rollout) -> int | None:
    """The step after the current one, None without steps."""
    index, canary = current_index(rollout), rollout.spec.strategy.canary
    return None if index is None or canary is None else min(index + 1, len(canary.steps))
