"""Integration tests of what the kubelet tells: events in a real store."""

import pytest

from meshsim.api.core import Pod
from meshsim.api.decode import Object, decode
from meshsim.api.kinds import EVENT, POD
from meshsim.api.meta import Key
from meshsim.kit.clock import VirtualClock
from meshsim.kit.tasks import TaskOwner
from meshsim.kit.timestamps import to_rfc3339
from meshsim.runtime.containers.events import PodEvent, PodEvents
from tests.kits.api import InProcessApi
from tests.kits.eventually import eventually
from tests.kits.pods import pod_object

pytestmark = pytest.mark.asyncio
UNHEALTHY = PodEvent("Warning", "Unhealthy", "Readiness probe failed: refused", "web")


async def events(api: InProcessApi) -> list[Object]:
    return (await api.list(EVENT)).items


async def has_counted(api: InProcessApi, count: int) -> bool:
    return [event["count"] for event in await events(api)] == [count]


async def test_an_event_names_its_pod_and_its_container_and_is_counted_when_it_is_told_again() -> None:
    clock = VirtualClock()
    api = InProcessApi(clock)
    pod = decode(Pod, await api.create(POD, pod_object("a")))
    async with TaskOwner() as tasks:
        recorder = PodEvents(api, clock, "node")
        tasks.start(recorder.run(), "events")
        recorder.record(pod, UNHEALTHY)
        await eventually(lambda: has_counted(api, 1))
        await clock.advance(60)
        recorder.record(pod, UNHEALTHY)
        await eventually(lambda: has_counted(api, 2))
    (event,) = await events(api)
    assert event["involvedObject"] == {
        "apiVersion": "v1",
        "kind": "Pod",
        "name": "a",
        "namespace": "default",
        "uid": pod.metadata.uid,
        "fieldPath": "spec.containers{web}",
    }
    assert (event["type"], event["reason"], event["message"]) == ("Warning", "Unhealthy", UNHEALTHY.message)
    assert (event["firstTimestamp"], event["lastTimestamp"]) == (to_rfc3339(clock.now() - 60), to_rfc3339(clock.now()))


async def test_an_event_goes_on_being_counted_by_the_next_node_and_begins_anew_when_it_was_deleted() -> None:
    clock = VirtualClock()
    api = InProcessApi(clock)
    pod = decode(Pod, await api.create(POD, pod_object("a")))
    for count in (1, 2):
        async with TaskOwner() as tasks:
            recorder = PodEvents(api, clock, "node")
            tasks.start(recorder.run(), "events")
            recorder.record(pod, UNHEALTHY)
            await eventually(lambda wanted=count: has_counted(api, wanted))  # type: ignore[misc]
            if count == 2:
                (event,) = await events(api)
                await api.delete(EVENT, Key("default", event["metadata"]["name"]))
                recorder.record(pod, UNHEALTHY)
                await eventually(lambda: has_counted(api, 1))
