"""Why the rollout is where it is, in one sentence. Pure."""

from collections.abc import Sequence

from meshsim.cli.live.cluster import Seen
from meshsim.cli.steps import Step, StepState


def sentence(seen: Seen | None, steps: Sequence[Step], speed: float) -> str:
    """What it waits for, or how it ended."""
    if seen is None:
        return "waiting for the rollout"
    position = next((index for index, step in enumerate(steps) if step.state is StepState.CURRENT), None)
    if position is None:
        return _without_step(seen)
    step = steps[position]
    if step.left_s is None:
        return f"{step.text}: {seen.view.message or seen.phase}"
    here = "" if speed == 1 else f" ({step.left_s / speed:.1f} s here)"
    after = steps[position + 1].text if position + 1 < len(steps) else "the end"
    return f"{step.left_s:.0f} s{here} of the pause left, then {after}"


def _without_step(seen: Seen) -> str:
    return f"{seen.phase}: {seen.view.message}" if seen.view.message else seen.phase
