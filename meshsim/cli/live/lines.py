"""The demo in plain lines, where there is no terminal to draw on: one per change. Pure."""

from collections.abc import Iterator

from meshsim.cli.live.scene import Scene, VersionState
from meshsim.cli.steps import Step, StepState


def changes(before: Scene | None, after: Scene) -> Iterator[str]:
    """What a reader wants to know of the way from one scene to the next."""
    if before is None or before.stage is not after.stage:
        yield f"{after.stage}: {after.title}"
    step = current_step(after)
    if step is not None and (before is None or _identity(step) != _identity(current_step(before))):
        yield _step_line(step, after)
    if before is None or _weights(before) != _weights(after):
        weights = ", ".join(f"{state.version} {state.share:.0%}" for state in after.versions if state.share)
        if weights:
            yield f"weights {weights}"
    if before is not None and before.failed != after.failed:
        yield f"{after.failed} requests failed"


def traffic_line(scene: Scene) -> str:
    """How the traffic is, every few seconds."""
    versions = ", ".join(_version(state) for state in scene.versions if state.pods or state.recent.rps)
    rps = sum(state.recent.rps for state in scene.versions)
    return f"traffic {rps:.0f} rps, {scene.failed} failed of {scene.requests:,}: {versions}"


def current_step(scene: Scene) -> Step | None:
    """The step that the rollout is at."""
    return next((step for step in scene.steps if step.state is StepState.CURRENT), None)


def _identity(step: Step | None) -> tuple[int, bool] | None:
    return None if step is None else (step.number, step.left_s is not None)


def _step_line(step: Step, scene: Scene) -> str:
    line = f"step {step.number}/{len(scene.steps)} {step.text}"
    if step.total_s is not None and scene.speed != 1:
        line += f" ({step.total_s / scene.speed:g}s here)"
    return line


def _weights(scene: Scene) -> dict[str, float]:
    return {state.version: state.share for state in scene.versions if state.share}


def _version(state: VersionState) -> str:
    seen = state.observation
    observed = f"{seen.observed:.1%} of {seen.requests:,}" if seen and seen.requests else f"{state.recent.rps:.0f} rps"
    p99 = "" if state.recent.p99_s is None else f" p99 {state.recent.p99_s * 1000:.1f}ms"
    return f"{state.version} {observed}{p99} {state.cpu_cores * 1000:.0f}m cpu {state.pods_ready}/{state.pods} pods"
