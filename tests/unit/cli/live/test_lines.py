"""The demo told in lines."""

from dataclasses import replace

from meshsim.cli.live.lines import changes, traffic_line
from meshsim.cli.live.scene import Stage
from meshsim.cli.steps import StepState
from tests.kits.scenes import scene, version


def test_nothing_new_is_not_told() -> None:
    assert list(changes(scene(), scene(title="24 s (2.4 s here) of the pause left", elapsed_s=14.4))) == []


def test_a_step_is_told_when_it_begins_with_its_length_here() -> None:
    before = scene(steps=tuple(replace(step, state=StepState.DONE) for step in scene().steps))
    assert list(changes(before, scene())) == ["step 5/6 pause 60s (6s here)"]


def test_a_step_before_and_after_its_pause_began_is_told_twice_with_different_words() -> None:
    waiting = tuple(replace(step, left_s=None, total_s=None) for step in scene().steps)
    assert list(changes(scene(steps=waiting), scene())) == ["step 5/6 pause 60s (6s here)"]


def test_new_weights_are_told_together() -> None:
    before = scene(versions=(replace(scene().versions[0], share=1.0), replace(scene().versions[1], share=0.0)))
    assert list(changes(before, scene())) == ["weights v1 66%, v2 34%"]


def test_failures_are_told_as_they_happen() -> None:
    assert list(changes(scene(), scene(failed=2))) == ["2 requests failed"]


def test_a_new_stage_is_told_with_what_goes_on() -> None:
    assert next(iter(changes(scene(stage=Stage.BEFORE), scene()))).startswith("releasing: 25 s")


def test_the_traffic_is_told_version_by_version() -> None:
    assert traffic_line(scene()) == (
        "traffic 100 rps, 0 failed of 300: "
        "v1 66.0% of 100 p99 3.4ms 66m cpu 4/4 pods, v2 34.0% of 100 p99 3.4ms 34m cpu 3/3 pods"
    )


def test_a_version_that_is_not_there_is_left_out() -> None:
    absent = replace(version("v2", "", 0, 0))
    assert "v2" not in traffic_line(scene(versions=(version("v1", "stable", 66, 4), absent)))
