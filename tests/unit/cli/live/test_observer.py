"""Scenes and results put together from what happened."""

import pytest

from meshsim.cli.live.cluster import Seen
from meshsim.cli.live.observer import Observer, Release
from meshsim.cli.live.scene import Stage
from meshsim.cli.steps import StepState
from meshsim.kit.clock import VirtualClock
from meshsim.load.samples import Sample
from tests.kits.scenes import scene

_SPLIT = {"v1": 0.66, "v2": 0.34}


def _observer(clock: VirtualClock) -> Observer:
    observer = Observer(Release("my-app", "v1", "v2", 10), clock, slice_s=0.5)
    observer.stage = Stage.RELEASING
    return observer


def _seen() -> Seen:
    view = scene().rollout
    assert view is not None
    return Seen(view, "v2", _SPLIT, {}, {"v1": 4, "v2": 3}, {"v1": 5, "v2": 3})


@pytest.mark.asyncio
async def test_only_requests_that_began_while_the_split_stood_still_are_judged() -> None:
    clock = VirtualClock()
    observer = _observer(clock)
    began = clock.now()
    observer.ended([Sample(began, 0.1, 200, "v1")])
    await clock.advance(1)
    observer.steady("5 pause 60s", _SPLIT)
    observer.ended([Sample(began + 0.5, 0.6, 200, "v1"), Sample(began + 1.5, 0.1, 200, "v2")])
    [_, new] = observer.scene(_seen(), clock.now()).versions
    assert new.observation is not None
    assert (new.observation.count, new.observation.requests) == (1, 1)


@pytest.mark.asyncio
async def test_while_the_split_moves_nothing_is_judged() -> None:
    clock = VirtualClock()
    observer = _observer(clock)
    observer.steady("5 pause 60s", _SPLIT)
    observer.moving()
    assert [state.observation for state in observer.scene(_seen(), clock.now()).versions] == [None, None]


@pytest.mark.asyncio
async def test_a_request_that_ended_after_the_span_did_counts_for_it_when_it_began_in_it() -> None:
    clock = VirtualClock()
    observer = _observer(clock)
    began = clock.now()
    observer.steady("5 pause 60s", _SPLIT)
    await clock.advance(6)
    observer.moving()
    observer.ended([Sample(began + 5.9, 0.5, 200, "v2"), Sample(began + 6.1, 0.3, 200, "v2")])
    [result] = observer.step_results()
    assert (result.step, result.weight, result.requests, result.observed) == ("5 pause 60s", 0.34, 1, 1.0)


def test_the_scene_shows_weights_pods_roles_and_the_pause() -> None:
    clock = VirtualClock()
    observer = _observer(clock)
    shown = observer.scene(_seen(), clock.now())
    assert [(one.version, one.role, one.share, one.pods_ready, one.pods) for one in shown.versions] == [
        ("v1", "stable", 0.66, 4, 5),
        ("v2", "canary", 0.34, 3, 3),
    ]
    assert shown.title == "60 s (6.0 s here) of the pause left, then setWeight 100"


def test_what_the_demo_does_itself_is_said_before_what_the_rollout_waits_for() -> None:
    observer = _observer(VirtualClock())
    observer.doing = "$ meshsim set image my-app my-app=my-app:v2"
    assert observer.scene(_seen(), 0.0).title == "$ meshsim set image my-app my-app=my-app:v2"


def test_before_the_release_no_step_is_done() -> None:
    observer = _observer(VirtualClock())
    observer.stage = Stage.BEFORE
    assert {step.state for step in observer.scene(_seen(), 0.0).steps} == {StepState.TODO}


def test_without_a_rollout_the_scene_says_so() -> None:
    shown = _observer(VirtualClock()).scene(None, 0.0)
    assert (shown.rollout, shown.versions, shown.title) == (None, (), "waiting for the rollout")
