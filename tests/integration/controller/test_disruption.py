"""Integration tests of the disruption controller: budgets follow the pods they cover and who keeps those."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from controller.disruption.reconciler import setup
from controller.manager import Manager
from meshsim.api.decode import Object
from meshsim.api.kinds import POD, POD_DISRUPTION_BUDGET, REPLICA_SET
from meshsim.api.meta import Key
from tests.kits.api import InProcessApi
from tests.kits.eventually import eventually

pytestmark = pytest.mark.asyncio
WEB = Key("default", "web")
_LABELS: Object = {"app": "web"}


@asynccontextmanager
async def running() -> AsyncIterator[InProcessApi]:
    api = InProcessApi()
    manager = Manager(api, api.clock)
    setup(manager, api, api.clock)
    async with manager:
        yield api


async def keep(api: InProcessApi, replicas: int) -> Object:
    """A ReplicaSet that wants so many pods."""
    template = {"metadata": {"labels": _LABELS}, "spec": {"containers": [{"name": "web", "image": "web:v1"}]}}
    spec = {"replicas": replicas, "selector": {"matchLabels": _LABELS}, "template": template}
    return await api.create(REPLICA_SET, {"metadata": {"name": "web", "namespace": "default"}, "spec": spec})


async def run_pod(api: InProcessApi, name: str, keeper: Object) -> None:
    owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web", "uid": keeper["metadata"]["uid"]}
    metadata = {"name": name, "namespace": "default", "labels": _LABELS}
    pod = {
        "metadata": {**metadata, "ownerReferences": [{**owner, "controller": True}]},
        "spec": {"containers": [{"name": "web", "image": "web:v1"}]},
    }
    await api.create(POD, pod)
    ready = {"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}
    await api.patch(POD, Key("default", name), {"status": {"conditions": [ready]}}, subresource="status")


async def figures(api: InProcessApi) -> tuple[int, int, int, int, int]:
    """Allowed, healthy, desired, expected, and of which generation."""
    status = (await api.get(POD_DISRUPTION_BUDGET, WEB))["status"]
    names = ("disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods", "observedGeneration")
    allowed, healthy, desired, expected, generation = (int(status[name]) for name in names)
    return allowed, healthy, desired, expected, generation


async def test_a_budget_follows_its_pods_their_keeper_and_its_own_spec() -> None:
    async with running() as api:

        async def become(*expected: int) -> None:
            async def are() -> bool:
                return await figures(api) == expected

            await eventually(are, ignoring=(KeyError,))

        spec = {"maxUnavailable": 1, "selector": {"matchLabels": _LABELS}}
        await api.create(POD_DISRUPTION_BUDGET, {"metadata": {"name": "web", "namespace": "default"}, "spec": spec})
        await become(0, 0, 0, 0, 1)
        keeper = await keep(api, 3)
        for name in ("a", "b", "c"):
            await run_pod(api, name, keeper)
        await become(1, 3, 2, 3, 1)
        await api.patch(REPLICA_SET, WEB, {"spec": {"replicas": 4}})
        await become(0, 3, 3, 4, 1)
        await api.patch(REPLICA_SET, WEB, {"spec": {"replicas": 3}})
        await api.delete(POD, Key("default", "a"), grace_s=0)
        await become(0, 2, 2, 3, 1)
        await api.patch(POD_DISRUPTION_BUDGET, WEB, {"spec": {"maxUnavailable": 2}})
        await become(1, 2, 1, 3, 2)
