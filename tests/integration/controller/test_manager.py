"""Integration tests of the manager: changes in a real store become reconciles."""

import asyncio
import logging
from collections import Counter

import pytest

from controller.manager import Manager, own_key, owner_key
from meshsim.api.decode import Object
from meshsim.api.kinds import CONFIG_MAP, POD, REPLICA_SET, Kind
from meshsim.api.meta import Key
from meshsim.client.api import ConflictError, Listing
from meshsim.kit.clock import VirtualClock
from tests.kits.api import InProcessApi
from tests.kits.eventually import eventually
from tests.kits.pods import pod_object

pytestmark = pytest.mark.asyncio
A = Key("default", "a")


def config_map(name: str) -> Object:
    return {"metadata": {"name": name, "namespace": "default"}, "data": {}}


class Recorder:
    """Counts what it is asked to reconcile, and does to each key what a test tells it to."""

    def __init__(self) -> None:
        self.seen: Counter[Key] = Counter()
        self.at_once: Counter[Key] = Counter()
        self.overlaps = 0
        self.failures: list[Exception] = []
        self.again_at: float | None = None
        self.gate = asyncio.Event()
        self.gate.set()

    async def reconcile(self, key: Key) -> float | None:
        self.seen[key] += 1
        self.at_once[key] += 1
        self.overlaps += self.at_once[key] > 1
        try:
            await self.gate.wait()
        finally:
            self.at_once[key] -= 1
        if self.failures:
            raise self.failures.pop(0)
        again_at, self.again_at = self.again_at, None
        return again_at


def managed(api: InProcessApi, recorder: Recorder) -> Manager:
    manager = Manager(api, api.clock)
    manager.add("test", recorder, {manager.informer(CONFIG_MAP): own_key}, workers=2)
    return manager


async def test_what_is_there_at_the_start_and_what_changes_later_is_reconciled() -> None:
    api, recorder = InProcessApi(), Recorder()
    await api.create(CONFIG_MAP, config_map("a"))
    async with managed(api, recorder) as manager:
        await manager.synced()
        await eventually(lambda: recorder.seen[A] == 1)
        await api.patch(CONFIG_MAP, A, {"data": {"x": "1"}})
        await eventually(lambda: recorder.seen[A] == 2)
        await api.delete(CONFIG_MAP, A)
        await eventually(lambda: recorder.seen[A] == 3)


async def test_the_controller_of_a_changed_object_is_reconciled_and_no_other_owner() -> None:
    api, recorder = InProcessApi(), Recorder()
    manager = Manager(api, api.clock)
    manager.add("test", recorder, {manager.informer(POD): owner_key(REPLICA_SET)})
    template = {"metadata": {"labels": {"app": "x"}}, "spec": {"containers": [{"name": "x", "image": "x"}]}}
    spec = {"replicas": 0, "selector": {"matchLabels": {"app": "x"}}, "template": template}
    web = await api.create(REPLICA_SET, {"metadata": {"name": "web", "namespace": "default"}, "spec": spec})
    owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web", "uid": web["metadata"]["uid"]}
    async with manager:
        await api.create(POD, pod_object("mine", ownerReferences=[owner | {"controller": True}]))
        await api.create(POD, pod_object("watched", ownerReferences=[owner]))
        await api.create(POD, pod_object("nobodys"))
        await eventually(lambda: recorder.seen[Key("default", "web")] > 0)
    assert set(recorder.seen) == {Key("default", "web")}


async def test_a_reconcile_that_asks_for_an_instant_is_repeated_then() -> None:
    clock = VirtualClock()
    api, recorder = InProcessApi(clock), Recorder()
    recorder.again_at = clock.now() + 60
    await api.create(CONFIG_MAP, config_map("a"))
    async with managed(api, recorder):
        await eventually(lambda: recorder.seen[A] == 1)
        await clock.advance(59)
        assert recorder.seen[A] == 1
        await clock.advance(1)
        assert recorder.seen[A] == 2


async def test_a_refusal_and_a_bug_are_tried_again_and_only_the_bug_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock = VirtualClock()
    api, recorder = InProcessApi(clock), Recorder()
    recorder.failures = [ConflictError(409, "Conflict", "try again"), ValueError("a bug"), ValueError("a bug")]
    await api.create(CONFIG_MAP, config_map("a"))
    with caplog.at_level(logging.INFO):
        async with managed(api, recorder) as manager:
            await eventually(lambda: recorder.seen[A] == 1)
            await clock.advance(1)
            await eventually(lambda: recorder.seen[A] == 4)
            (controller,) = manager.controllers
            outcomes = controller.outcomes
            assert (outcomes.refused, outcomes.failed, outcomes.succeeded) == (1, 2, 1)
    assert [record.getMessage() for record in caplog.records] == [
        "test default/a: reconcile failed; it will be tried again"
    ]


async def test_a_key_is_never_reconciled_twice_at_once_but_others_go_on() -> None:
    api, recorder = InProcessApi(), Recorder()
    recorder.gate.clear()
    async with managed(api, recorder):
        await api.create(CONFIG_MAP, config_map("a"))
        await api.create(CONFIG_MAP, config_map("b"))
        await eventually(lambda: len(recorder.seen) == 2)
        for number in range(5):
            await api.patch(CONFIG_MAP, A, {"data": {"x": str(number)}})
        recorder.gate.set()
        await eventually(lambda: recorder.seen[A] == 2)
    assert recorder.overlaps == 0


async def test_a_manager_that_stops_lets_what_it_reconciles_end() -> None:
    api, recorder = InProcessApi(), Recorder()
    recorder.gate.clear()
    manager = managed(api, recorder)
    async with manager:
        await api.create(CONFIG_MAP, config_map("a"))
        await eventually(lambda: recorder.seen[A] == 1)
        asyncio.get_running_loop().call_later(0.05, recorder.gate.set)
    assert manager.controllers[0].outcomes.succeeded == 1


class BrokenApi(InProcessApi):
    """An API whose answers make no sense."""

    async def list(self, kind: Kind, namespace: str | None = None, *, selector: str = "") -> Listing:
        raise ValueError("no such thing as a list")


async def test_an_informer_that_ends_is_told_of_because_nobody_takes_its_place() -> None:
    api, told = BrokenApi(), asyncio.Event()
    failed: list[tuple[str, str]] = []

    def on_failure(task: str, failure: Exception) -> None:
        failed.append((task, str(failure)))
        told.set()

    manager = Manager(api, api.clock, on_failure)
    manager.add("test", Recorder(), {manager.informer(CONFIG_MAP): own_key})
    async with manager:
        await asyncio.wait_for(told.wait(), 5)
    assert failed == [("informer ConfigMap", "no such thing as a list")]
