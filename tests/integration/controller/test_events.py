"""Events as people read them: written beside the work, counted when they repeat, combined when they are many."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from controller.events import EventRecorder
from controller.rollout.actions import Emit
from meshsim.api.decode import Object
from meshsim.api.kinds import EVENT
from meshsim.api.meta import key_of
from meshsim.kit.tasks import TaskOwner
from tests.kits.api import InProcessApi
from tests.kits.manifests import rollout

pytestmark = pytest.mark.asyncio
_ABOUT: Object = rollout(uid="1")


@asynccontextmanager
async def recording(api: InProcessApi) -> AsyncIterator[EventRecorder]:
    recorder = EventRecorder(api, api.clock)
    async with TaskOwner() as tasks:
        tasks.start(recorder.run(), "recorder")
        yield recorder


def events(api: InProcessApi) -> list[tuple[str, str, int]]:
    objects = sorted(api.store.objects(EVENT), key=key_of)
    return [(obj["reason"], obj["message"], obj["count"]) for obj in objects]


async def test_an_event_says_who_what_when_and_by_whom() -> None:
    api = InProcessApi()
    async with recording(api) as recorder:
        recorder.record(_ABOUT, Emit("RolloutAborted", "it failed", "Warning"))
        await recorder.drained()

    (event,) = api.store.objects(EVENT)
    assert event["involvedObject"]["kind"] == "Rollout"
    assert event["involvedObject"]["uid"] == "1"
    assert (event["type"], event["source"]) == ("Warning", {"component": "rollouts-controller"})
    assert event["firstTimestamp"] == event["lastTimestamp"] == "2026-01-01T00:00:00Z"


async def test_a_repeated_event_is_counted_up_and_stamped_again() -> None:
    api = InProcessApi()
    async with recording(api) as recorder:
        for _ in range(3):
            recorder.record(_ABOUT, Emit("SwitchService", "from a to b"))
        recorder.record(_ABOUT, Emit("SwitchService", "from b to a"))
        await recorder.drained()

    assert events(api) == [("SwitchService", "from a to b", 3), ("SwitchService", "from b to a", 1)]


async def test_more_than_ten_different_events_of_one_kind_become_one() -> None:
    api = InProcessApi()
    async with recording(api) as recorder:
        for number in range(13):
            recorder.record(_ABOUT, Emit("StepCompleted", f"step {number}"))
        await recorder.drained()

    told = events(api)
    assert len(told) == 11
    assert ("StepCompleted", "(combined from similar events): step 12", 3) in told


async def test_an_event_that_somebody_deleted_is_written_anew() -> None:
    api = InProcessApi()
    async with recording(api) as recorder:
        recorder.record(_ABOUT, Emit("SwitchService", "from a to b"))
        await recorder.drained()
        (event,) = api.store.objects(EVENT)
        await api.delete(EVENT, key_of(event))
        recorder.record(_ABOUT, Emit("SwitchService", "from a to b"))
        await recorder.drained()

    assert events(api) == [("SwitchService", "from a to b", 1)]


async def test_a_flood_is_dropped_rather_than_waited_for() -> None:
    recorder = EventRecorder(InProcessApi(), InProcessApi().clock)
    for number in range(10_500):
        recorder.record(_ABOUT, Emit("Flood", str(number)))

    assert recorder.dropped == 500
