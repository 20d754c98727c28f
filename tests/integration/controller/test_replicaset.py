"""Integration tests of the ReplicaSet controller: it runs in its manager over the real store."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from controller.events import EventRecorder
from controller.manager import Manager
from controller.replicaset.reconciler import setup
from meshsim.api.decode import Object
from meshsim.api.kinds import EVENT, POD, REPLICA_SET, Kind
from meshsim.api.meta import Key
from meshsim.client.api import ApiError, InvalidError, UnreachableError
from meshsim.kit.clock import VirtualClock
from meshsim.kit.tasks import TaskOwner
from meshsim.kit.timestamps import to_rfc3339
from tests.kits.api import InProcessApi
from tests.kits.eventually import eventually
from tests.kits.pods import pod_object

pytestmark = pytest.mark.asyncio
WEB = Key("default", "web")


@asynccontextmanager
async def running(api: InProcessApi) -> AsyncIterator[None]:
    assert isinstance(api.clock, VirtualClock)
    manager = Manager(api, api.clock)
    recorder = EventRecorder(api, api.clock)
    setup(manager, api, api.clock, recorder)
    async with TaskOwner() as tasks, manager:
        tasks.start(recorder.run(), "events")
        await manager.synced()
        yield


def replica_set_object(replicas: int, **spec: Any) -> Object:
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "web", "image": "web:v1"}]}}
    return {
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": "web"}}, "template": template, **spec},
    }


async def pods(api: InProcessApi) -> list[Object]:
    return [obj for obj in (await api.list(POD)).items if not obj["metadata"].get("deletionTimestamp")]


async def has_pods(api: InProcessApi, count: int) -> bool:
    return len(await pods(api)) == count


async def status(api: InProcessApi) -> Object:
    found: Object = (await api.get(REPLICA_SET, WEB)).get("status") or {}
    return found


async def scale(api: InProcessApi, replicas: int) -> None:
    await api.patch(REPLICA_SET, WEB, {"spec": {"replicas": replicas}})


async def make_ready(api: InProcessApi, pod: Object) -> None:
    """Do what a node would."""
    ready = {"type": "Ready", "status": "True", "lastTransitionTime": to_rfc3339(api.clock.now())}
    key = Key(pod["metadata"]["namespace"], pod["metadata"]["name"])
    await api.patch(POD, key, {"status": {"phase": "Running", "conditions": [ready]}}, subresource="status")


async def test_each_pod_that_comes_and_goes_is_told() -> None:
    api = InProcessApi()
    async with running(api):
        await api.create(REPLICA_SET, replica_set_object(1))
        await eventually(lambda: has_pods(api, 1))
        (pod,) = await pods(api)
        await scale(api, 0)
        name = pod["metadata"]["name"]

        def told() -> list[tuple[str, str, str]]:
            return [(one["reason"], one["message"], one["source"]["component"]) for one in api.store.objects(EVENT)]

        await eventually(lambda: len(told()) == 2)
        assert sorted(told()) == [
            ("SuccessfulCreate", f"Created pod: {name}", "replicaset-controller"),
            ("SuccessfulDelete", f"Deleted pod: {name}", "replicaset-controller"),
        ]


async def test_pods_are_made_from_the_template_with_names_and_an_owner() -> None:
    api = InProcessApi()
    async with running(api):
        created = await api.create(REPLICA_SET, replica_set_object(3))
        await eventually(lambda: has_pods(api, 3))
        for pod in await pods(api):
            prefix, _, suffix = pod["metadata"]["name"].rpartition("-")
            assert (prefix, len(suffix), pod["metadata"]["labels"]) == ("web", 5, {"app": "web"})
            assert pod["spec"]["containers"][0]["image"] == "web:v1"
            (owner,) = pod["metadata"]["ownerReferences"]
            assert (owner["uid"], owner["controller"]) == (created["metadata"]["uid"], True)


async def test_scaling_follows_the_spec_and_leaves_exactly_as_many_pods() -> None:
    api = InProcessApi()
    async with running(api):
        await api.create(REPLICA_SET, replica_set_object(0))
        for replicas in (5, 2, 7, 1, 0):
            await scale(api, replicas)
            await eventually(lambda wanted=replicas: has_pods(api, wanted))  # type: ignore[misc]
            await eventually(lambda wanted=replicas: reports(api, replicas=wanted))  # type: ignore[misc]
            assert await has_pods(api, replicas)


async def reports(api: InProcessApi, **wanted: int) -> bool:
    seen = await status(api)
    return all(seen.get(name, 0) == value for name, value in wanted.items())


async def test_the_status_counts_pods_that_are_ready_and_long_enough_so() -> None:
    api = InProcessApi()
    assert isinstance(api.clock, VirtualClock)
    async with running(api):
        await api.create(REPLICA_SET, replica_set_object(2, minReadySeconds=30))
        await eventually(lambda: has_pods(api, 2))
        for pod in await pods(api):
            await make_ready(api, pod)
        await eventually(lambda: reports(api, replicas=2, fullyLabeledReplicas=2, readyReplicas=2, availableReplicas=0))
        await api.clock.advance(30)
        await eventually(lambda: reports(api, readyReplicas=2, availableReplicas=2, observedGeneration=1))


async def test_a_pod_that_is_deleted_is_replaced() -> None:
    api = InProcessApi()
    async with running(api):
        await api.create(REPLICA_SET, replica_set_object(2))
        await eventually(lambda: has_pods(api, 2))
        first = (await pods(api))[0]["metadata"]["name"]
        await api.delete(POD, Key("default", first))
        await eventually(lambda: has_pods(api, 2))
        assert first not in [pod["metadata"]["name"] for pod in await pods(api)]


async def test_pods_that_are_not_ready_go_first() -> None:
    api = InProcessApi()
    async with running(api):
        await api.create(REPLICA_SET, replica_set_object(3))
        await eventually(lambda: has_pods(api, 3))
        ready = (await pods(api))[1]
        await make_ready(api, ready)
        await eventually(lambda: reports(api, readyReplicas=1))
        await scale(api, 1)
        await eventually(lambda: has_pods(api, 1))
        assert [pod["metadata"]["name"] for pod in await pods(api)] == [ready["metadata"]["name"]]


async def test_an_orphan_is_adopted_and_a_pod_that_was_relabelled_is_let_go() -> None:
    api = InProcessApi()
    async with running(api):
        await api.create(POD, pod_object("orphan"))
        created = await api.create(REPLICA_SET, replica_set_object(1))
        uid = created["metadata"]["uid"]
        await eventually(lambda: owner_of(api, "orphan", uid))
        assert await has_pods(api, 1)
        await api.patch(POD, Key("default", "orphan"), {"metadata": {"labels": {"app": "quarantine"}}})
        await eventually(lambda: has_pods(api, 2))
        await eventually(lambda: owner_of(api, "orphan", None))


async def owner_of(api: InProcessApi, name: str, uid: str | None) -> bool:
    owners: list[Object] = (await api.get(POD, Key("default", name)))["metadata"].get("ownerReferences") or [{}]
    return bool(owners[0].get("uid") == uid)


class RefusingApi(InProcessApi):
    """An API that refuses some creations of pods."""

    def __init__(self) -> None:
        super().__init__()
        self.refusals: list[ApiError] = []

    async def create(self, kind: Kind, obj: Object) -> Object:
        if kind is POD and self.refusals:
            raise self.refusals.pop(0)
        return await super().create(kind, obj)


async def test_a_refusal_is_reported_and_creation_goes_on_after_it() -> None:
    api = RefusingApi()
    assert isinstance(api.clock, VirtualClock)
    api.refusals = [InvalidError(422, "Invalid", "the pod is invalid")] * 3 + [UnreachableError(0, "", "gone")] * 3
    async with running(api):
        await api.create(REPLICA_SET, replica_set_object(2))

        async def refused() -> bool:
            (condition,) = (await status(api))["conditions"]
            return (condition["type"], condition["message"]) == ("ReplicaFailure", "the pod is invalid")

        await eventually(refused, ignoring=(KeyError,))

        async def in_time() -> bool:
            await api.clock.sleep(0)
            assert isinstance(api.clock, VirtualClock)
            await api.clock.advance(0.05)
            return await has_pods(api, 2)

        await eventually(in_time)
        await eventually(lambda: reports(api, replicas=2))
        assert not (await status(api)).get("conditions")


async def test_a_controller_that_restarts_creates_nothing_twice() -> None:
    api = InProcessApi()
    await api.create(REPLICA_SET, replica_set_object(20))
    for _ in range(5):
        # Each of them is stopped as soon as it has begun.
        async with running(api):
            await eventually(lambda: reports_any(api))
    async with running(api):
        await eventually(lambda: reports(api, replicas=20))
        assert await has_pods(api, 20)


async def reports_any(api: InProcessApi) -> bool:
    return bool(await pods(api))
