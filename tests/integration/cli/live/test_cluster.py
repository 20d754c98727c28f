"""What the demo makes of the API's objects as they change."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import yaml

from meshsim.api.kinds import ENDPOINT_SLICE, POD, ROLLOUT, VIRTUAL_SERVICE, kind_named
from meshsim.api.meta import Key
from meshsim.cli.live.cluster import Cluster, Seen
from meshsim.kit.tasks import TaskOwner
from tests.kits.api import InProcessApi
from tests.kits.eventually import eventually
from tests.kits.processes import REPOSITORY

pytestmark = pytest.mark.asyncio

_KEY = Key("default", "my-app")
_EXAMPLE = REPOSITORY / "examples" / "blog-canary"
_MANIFESTS = [
    obj
    for name in ("rollout", "services", "virtualservice")
    for obj in yaml.safe_load_all((_EXAMPLE / f"{name}.yaml").read_text())
]


@asynccontextmanager
async def _followed() -> AsyncIterator[tuple[InProcessApi, Cluster]]:
    api = InProcessApi()
    cluster = Cluster(api, _KEY)
    async with TaskOwner() as tasks:
        cluster.start(tasks)
        yield api, cluster


async def _apply(api: InProcessApi, *objects: dict[str, Any]) -> None:
    for obj in objects:
        kind = kind_named(obj["apiVersion"], obj["kind"])
        assert kind is not None
        metadata = {**obj["metadata"], "namespace": "default"}
        await api.create(kind, {**obj, "metadata": metadata})


async def _pod(api: InProcessApi, name: str, version: str) -> None:
    await api.create(
        POD,
        {
            "metadata": {"name": name, "namespace": "default", "labels": {"app": "my-app"}},
            "spec": {"containers": [{"name": "my-app", "image": f"my-app:{version}"}]},
        },
    )
    ready = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
    await api.patch(POD, Key("default", name), {"status": ready}, subresource="status")


async def _endpoints(api: InProcessApi, service: str, *pods: str) -> None:
    await api.create(
        ENDPOINT_SLICE,
        {
            "metadata": {
                "name": f"{service}-1",
                "namespace": "default",
                "labels": {"kubernetes.io/service-name": service},
            },
            "addressType": "IPv4",
            "endpoints": [
                {
                    "addresses": ["127.0.0.9"],
                    "conditions": {"ready": True},
                    "targetRef": {"kind": "Pod", "name": pod, "namespace": "default"},
                }
                for pod in pods
            ],
            "ports": [{"name": "http", "port": 8080}],
        },
    )


async def _once_seen(cluster: Cluster, check: Any) -> Seen:
    def seen() -> Seen | None:
        now = cluster.seen()
        return now if now is not None and check(now) else None

    found = await eventually(seen)
    assert found is not None
    return found


async def test_nothing_is_seen_until_the_rollout_and_its_virtual_service_are_there() -> None:
    async with _followed() as (api, cluster):
        await _apply(api, _MANIFESTS[0])
        await eventually(cluster.changed.is_set)
        assert cluster.seen() is None
        await _apply(api, *_MANIFESTS[1:])
        seen = await _once_seen(cluster, lambda _: True)
    assert (seen.wanted, seen.replicas, seen.split) == ("v1", 6, {})


async def test_the_split_follows_weights_and_endpoints() -> None:
    async with _followed() as (api, cluster):
        await _apply(api, *_MANIFESTS)
        for name, version in (("a-1", "v1"), ("a-2", "v1"), ("b-1", "v2")):
            await _pod(api, name, version)
        await _endpoints(api, "my-app-stable", "a-1", "a-2")
        await _endpoints(api, "my-app-canary", "b-1")
        await _once_seen(cluster, lambda seen: seen.split == {"v1": 1.0})
        weighted = (await api.get(VIRTUAL_SERVICE, _KEY))["spec"]["http"]
        weighted[0]["route"][0]["weight"], weighted[0]["route"][1]["weight"] = 66, 34
        await api.patch(VIRTUAL_SERVICE, _KEY, {"spec": {"http": weighted}})
        seen = await _once_seen(cluster, lambda seen: "v2" in seen.split)
    assert seen.split == pytest.approx({"v1": 0.66, "v2": 0.34})
    assert (seen.ready, seen.pods) == ({"v1": 2, "v2": 1}, {"v1": 2, "v2": 1})


async def test_an_endpoint_whose_pod_is_gone_still_counts_for_its_version() -> None:
    async with _followed() as (api, cluster):
        await _apply(api, *_MANIFESTS)
        await _pod(api, "a-1", "v1")
        await _endpoints(api, "my-app-stable", "a-1")
        await _once_seen(cluster, lambda seen: seen.split == {"v1": 1.0})
        await api.delete(POD, Key("default", "a-1"), grace_s=0)
        seen = await _once_seen(cluster, lambda seen: not seen.pods)
    assert seen.split == {"v1": 1.0}


async def test_a_version_is_done_when_it_is_asked_for_healthy_and_complete() -> None:
    async with _followed() as (api, cluster):
        await _apply(api, *_MANIFESTS)
        for index in range(6):
            await _pod(api, f"a-{index}", "v1")
        await _once_seen(cluster, lambda seen: seen.ready.get("v1") == 6)
        generation = (await api.get(ROLLOUT, _KEY))["metadata"]["generation"]
        status = {"phase": "Healthy", "observedGeneration": str(generation)}
        await api.patch(ROLLOUT, _KEY, {"status": status}, subresource="status")
        seen = await _once_seen(cluster, lambda seen: seen.phase == "Healthy")
    assert seen.is_done("v1")
    assert not seen.is_done("v2")
