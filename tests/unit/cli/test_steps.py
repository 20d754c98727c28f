"""Where a canary stands in its steps."""

from typing import Any

import pytest

from meshsim.api.decode import decode
from meshsim.api.rollouts import Rollout
from meshsim.api.steps import CanaryStep
from meshsim.cli.steps import StepState, step_in_words, steps_of
from meshsim.kit.timestamps import from_rfc3339

_STARTED = "2026-01-01T00:00:00Z"
_NOW = from_rfc3339(_STARTED)


def _rollout(index: int, *, paused: bool = False) -> Rollout:
    status: dict[str, Any] = {"currentStepIndex": index}
    if paused:
        status["pauseConditions"] = [{"reason": "CanaryPauseStep", "startTime": _STARTED}]
    steps = [{"setWeight": 34}, {"pause": {"duration": 60}}, {"setWeight": 100}]
    return decode(
        Rollout,
        {"metadata": {"name": "my-app"}, "spec": {"strategy": {"canary": {"steps": steps}}}, "status": status},
    )


def test_steps_before_the_current_one_are_done() -> None:
    assert [step.state for step in steps_of(_rollout(1), _NOW, is_released=True)] == [
        StepState.DONE,
        StepState.CURRENT,
        StepState.TODO,
    ]


def test_after_the_last_step_all_are_done_but_before_a_release_none_is() -> None:
    assert {step.state for step in steps_of(_rollout(3), _NOW, is_released=True)} == {StepState.DONE}
    assert {step.state for step in steps_of(_rollout(3), _NOW, is_released=False)} == {StepState.TODO}


@pytest.mark.parametrize(("passed_s", "left_s"), [(0.0, 60.0), (35.5, 24.5), (61.0, 0.0), (-0.5, 60.0)])
def test_a_pause_counts_down_on_the_clusters_clock(passed_s: float, left_s: float) -> None:
    pause = steps_of(_rollout(1, paused=True), _NOW + passed_s, is_released=True)[1]
    assert (pause.left_s, pause.total_s) == (left_s, 60.0)


def test_a_pause_that_has_not_begun_has_no_countdown() -> None:
    assert steps_of(_rollout(1), _NOW, is_released=True)[1].left_s is None


@pytest.mark.parametrize(
    ("step", "text"),
    [
        ({"setWeight": 34}, "setWeight 34"),
        ({"pause": {}}, "pause until promoted"),
        ({"pause": {"duration": "1h"}}, "pause 60m"),
        ({"pause": {"duration": 60}}, "pause 60s"),
        ({"setCanaryScale": {"matchTrafficWeight": True}}, "setCanaryScale matchTrafficWeight"),
        ({"setCanaryScale": {"weight": 25}}, "setCanaryScale weight 25"),
        ({"setCanaryScale": {"replicas": 3}}, "setCanaryScale replicas 3"),
        ({"analysis": {"templates": [{"templateName": "t"}]}}, "analysis"),
        ({"setHeaderRoute": {"name": "h"}}, "setHeaderRoute"),
    ],
)
def test_a_step_is_said_in_its_own_words(step: dict[str, Any], text: str) -> None:
    assert step_in_words(decode(CanaryStep, step)) == text
