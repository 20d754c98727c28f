"""The steps of a canary, where it stands in them and how long it still waits. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from meshsim.api.progress import current_index
from meshsim.api.rollouts import Rollout
from meshsim.api.steps import CanaryStep
from meshsim.kit.durations import human_duration, parse_duration
from meshsim.kit.timestamps import from_rfc3339


class StepState(StrEnum):
    """Where a step is."""

    DONE = "done"
    CURRENT = "current"
    TODO = "todo"


@dataclass(frozen=True, slots=True)
class Step:
    """One step; `left_s` and `total_s` are those of a pause that runs, on the cluster's clock."""

    number: int
    text: str
    state: StepState
    left_s: float | None = None
    total_s: float | None = None


def steps_of(rollout: Rollout, now: float, *, is_released: bool) -> tuple[Step, ...]:
    """Every step of a canary; before the first release nothing has been done yet, though the status says so."""
    canary = rollout.spec.strategy.canary
    steps: Sequence[CanaryStep] = canary.steps if canary else ()
    index = (current_index(rollout) or 0) if is_released else -1
    return tuple(_step(position, step, index, rollout, now) for position, step in enumerate(steps))


def _step(position: int, step: CanaryStep, index: int, rollout: Rollout, now: float) -> Step:
    number, text = position + 1, step_in_words(step)
    if position != index:
        return Step(number, text, StepState.DONE if position < index else StepState.TODO)
    total_s = pause_s(step)
    conditions = rollout.status.pause_conditions
    if total_s is None or not conditions or not conditions[0].start_time:
        return Step(number, text, StepState.CURRENT)
    left_s = max(0.0, from_rfc3339(conditions[0].start_time) + total_s - now)
    return Step(number, text, StepState.CURRENT, min(left_s, total_s), total_s)


def pause_s(step: CanaryStep) -> float | None:
    """How long a pause lasts; None for one without an end and for every other step."""
    duration = step.pause.duration if step.pause is not None else None
    return None if duration is None else parse_duration(str(duration))


def step_in_words(step: CanaryStep) -> str:
    """A step in a few words, its own first."""
    if step.pause is not None:
        total_s = pause_s(step)
        return "pause until promoted" if total_s is None else f"pause {human_duration(total_s)}"
    if step.set_canary_scale is not None:
        scale = step.set_canary_scale
        if scale.match_traffic_weight:
            return "setCanaryScale matchTrafficWeight"
        size = f"weight {scale.weight}" if scale.replicas is None else f"replicas {scale.replicas}"
        return f"setCanaryScale {size}"
    if step.set_weight is not None:
        return f"setWeight {step.set_weight}"
    named = {
        "experiment": step.experiment,
        "analysis": step.analysis,
        "setHeaderRoute": step.set_header_route,
        "setMirrorRoute": step.set_mirror_route,
        "plugin": step.plugin,
    }
    return next((name for name, value in named.items() if value is not None), "step")
