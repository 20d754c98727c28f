"""Where a canary is among its steps, and what the steps so far ask for."""

from meshsim.api.progress import current_index, current_step
from meshsim.api.rollouts import Rollout
from meshsim.api.routes import canary_of
from meshsim.api.steps import CanaryStep, ExperimentStep, Pause, SetCanaryScale
from meshsim.kit.durations import DurationError, parse_go_duration


def steps_so_far(rollout: Rollout) -> list[CanaryStep]:
    """The current step and those before it, latest first."""
    index, steps = current_index(rollout), canary_of(rollout).steps
    return [] if index is None else list(reversed(steps[: index + 1]))


def previous_set_weight(rollout: Rollout) -> int:
    """The weight that the steps before the current one ask for."""
    index = current_index(rollout)
    return _latest_weight(list(reversed(canary_of(rollout).steps[: index or 0])))


def _latest_weight(latest_first: list[CanaryStep]) -> int:
    return next((step.set_weight for step in latest_first if step.set_weight is not None), 0)


def canary_scale_in_use(rollout: Rollout) -> SetCanaryScale | None:
    """The `setCanaryScale` that holds now, None when the weight decides the canary's size.

    An abort drops it, unless `abortScaleDownDelaySeconds` is explicitly 0.
    """
    canary = canary_of(rollout)
    if canary.traffic_routing is None or current_step(rollout) is None:
        return None
    if rollout.status.abort and canary.abort_scale_down_delay_seconds != 0:
        return None
    scale = next((step.set_canary_scale for step in steps_so_far(rollout) if step.set_canary_scale), None)
    return None if scale is None or scale.match_traffic_weight else scale


def current_experiment_step(rollout: Rollout) -> ExperimentStep | None:
    """The nearest experiment step at or before the current one; None once all steps are done."""
    if current_step(rollout) is None:
        return None
    return next((step.experiment for step in steps_so_far(rollout) if step.experiment), None)


def before_starting_step(rollout: Rollout) -> bool:
    """The background analysis waits for a later step."""
    analysis = canary_of(rollout).analysis
    if analysis is None or analysis.starting_step is None:
        return False
    index = current_index(rollout)
    return index is not None and index < analysis.starting_step


def pause_seconds(pause: Pause) -> int:
    """Whole seconds of a pause: a number, its text or a Go duration, cut; -1 when it is none of them."""
    if pause.duration is None:
        return 0
    if isinstance(pause.duration, int):
        return pause.duration
    try:
        return int(pause.duration)
    except ValueError:
        pass
    try:
        return int(parse_go_duration(pause.duration))
    except DurationError:
        return -1


def step_text(step: CanaryStep) -> str:  # noqa: PLR0911 - one line a type of step
    """How events and people name a step; the first field in Argo's order decides, as it does when it runs."""
    if step.set_weight is not None:
        return f"setWeight: {step.set_weight}"
    if step.pause is not None:
        return "pause" if step.pause.duration is None else f"pause: {step.pause.duration}"
    if step.experiment is not None:
        return "experiment"
    if step.analysis is not None:
        return "analysis"
    if step.set_canary_scale is not None:
        return _scale_text(step.set_canary_scale)
    if step.set_header_route is not None:
        return f"setHeaderRoute: {step.set_header_route.name}"
    if step.set_mirror_route is not None:
        return f"setMirrorRoute: {step.set_mirror_route.name}"
    if step.plugin is not None:
        return f"plugin: {step.plugin.name}"
    return "invalid"


def _scale_text(scale: SetCanaryScale) -> str:
    if scale.weight is not None:
        return f"setCanaryScale{{weight: {scale.weight}}}"
    if scale.match_traffic_weight:
        return "setCanaryScale{matchTrafficWeight: true}"
    if scale.replicas is not None:
        return f"setCanaryScale{{replicas: {scale.replicas}}}"
    return "invalid"
