"""What `get rollout --steps` adds to the plugin's output: the steps and how long a pause still lasts. Pure."""

from typing import Final

from meshsim.api.rollouts import Rollout
from meshsim.cli.argo.paint import Paint
from meshsim.cli.steps import Step, StepState, steps_of
from meshsim.kit.durations import human_duration

_MARKS: Final = {StepState.DONE: "✔", StepState.CURRENT: "◌", StepState.TODO: " "}


def render_steps(rollout: Rollout, now: float, paint: Paint) -> str:
    """A line a step; empty for a rollout without steps."""
    steps = steps_of(rollout, now, is_released=True)
    return "".join(["\nSteps:\n", *(_line(step, paint) for step in steps)]) if steps else ""


def _line(step: Step, paint: Paint) -> str:
    mark = _MARKS[step.state]
    left = "" if step.left_s is None else f"  ({human_duration(step.left_s)} left)"
    return f"  {paint(mark) if mark.strip() else mark} {step.number:>2} {step.text}{left}\n"
