"""Integration tests of the EndpointSlice controller: pods and Services change, the endpoints follow."""

import asyncio
import uuid
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from meshsim.api.decode import Object
from meshsim.api.kinds import ENDPOINT_SLICE, ENDPOINTS, POD, SERVICE, Kind
from meshsim.api.meta import Key
from meshsim.client.api import NotFoundError, WatchEvent
from meshsim.kit.clock import VirtualClock
from meshsim.runtime.simulated.simulated import SimulatedContainer
from tests.kits.api import InProcessApi
from tests.kits.eventually import eventually
from tests.kits.node import RunningNode, new_api, running_node
from tests.kits.pods import pod_object, ready_pod

pytestmark = pytest.mark.asyncio
OF_WEB = "kubernetes.io/service-name=web"


@pytest_asyncio.fixture
async def node() -> AsyncIterator[RunningNode]:
    clock = VirtualClock()
    async with running_node(new_api(clock), clock) as node:
        yield node


def service_object(name: str = "web", **selector: str) -> Object:
    return {
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"selector": selector or {"app": "web"}, "ports": [{"port": 80, "targetPort": 8080}]},
    }


async def started(node: RunningNode, *objs: Object) -> None:
    for obj in objs:
        created = await node.api.create(POD, obj)
        await eventually(lambda: created["metadata"]["uid"] in node.kubelet.workers)  # noqa: B023 - awaited here
    await node.clock.advance(1.0)
    for obj in objs:
        await eventually(lambda: ready_pod(node.api, obj["metadata"]["name"]))  # noqa: B023 - awaited here


async def endpoints(node: RunningNode, service: str = "web") -> dict[str, bool]:
    """The pods of the Service's slices and whether they are ready."""
    listing = await node.api.list(ENDPOINT_SLICE, selector=f"kubernetes.io/service-name={service}")
    return {
        each["targetRef"]["name"]: each["conditions"]["ready"]
        for slice_ in listing.items
        for each in slice_["endpoints"]
    }


async def has(node: RunningNode, wanted: dict[str, bool], service: str = "web") -> bool:
    return await endpoints(node, service) == wanted


async def test_ready_pods_become_endpoints_whichever_was_there_first(node: RunningNode) -> None:
    await node.api.create(SERVICE, service_object())
    await started(node, pod_object("a"), pod_object("b"))
    await eventually(lambda: has(node, {"a": True, "b": True}))
    await node.api.create(SERVICE, service_object("later"))
    await eventually(lambda: has(node, {"a": True, "b": True}, "later"))


async def test_a_switched_selector_is_followed(node: RunningNode) -> None:
    old, new = {"app": "web", "hash": "1"}, {"app": "web", "hash": "2"}
    await node.api.create(SERVICE, service_object(**old))
    await started(node, pod_object("old", labels=old), pod_object("new", labels=new))
    await eventually(lambda: has(node, {"old": True}))
    await node.api.patch(SERVICE, Key("default", "web"), {"spec": {"selector": new}})
    await eventually(lambda: has(node, {"new": True}))


class _LateServices(InProcessApi):
    """Changes of Services are told only once `tell` is set; asked for one, it knows the latest."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__(clock, seed=uuid.uuid4().int)
        self.tell = asyncio.Event()

    async def watch(
        self, kind: Kind, resource_version: str, namespace: str | None = None, *, selector: str = ""
    ) -> AsyncIterator[WatchEvent]:
        async for event in super().watch(kind, resource_version, namespace, selector=selector):
            if kind is SERVICE:
                await self.tell.wait()
            yield event


async def test_a_switch_whose_old_pods_end_before_it_is_told_leaves_no_moment_without_endpoints() -> None:
    clock = VirtualClock()
    api, old, new = _LateServices(clock), {"app": "web", "hash": "1"}, {"app": "web", "hash": "2"}
    await api.create(SERVICE, service_object(**old))
    async with running_node(api, clock) as node:
        await started(node, pod_object("old", labels=old), pod_object("new", labels=new))
        await eventually(lambda: has(node, {"old": True}))
        await api.patch(SERVICE, Key("default", "web"), {"spec": {"selector": new}})
        await api.delete(POD, Key("default", "old"))
        await eventually(lambda: has(node, {"new": True}))
        assert not api.tell.is_set()
        api.tell.set()


async def test_a_pod_whose_labels_change_leaves_one_service_for_another(node: RunningNode) -> None:
    for version in ("v1", "v2"):
        await node.api.create(SERVICE, service_object(version, v=version))
    await started(node, pod_object("a", labels={"v": "v1"}))
    await eventually(lambda: has(node, {"a": True}, "v1"))
    await node.api.patch(POD, Key("default", "a"), {"metadata": {"labels": {"v": "v2"}}})
    await eventually(lambda: has(node, {}, "v1"))
    await eventually(lambda: has(node, {"a": True}, "v2"))


async def test_a_terminating_pod_leaves_the_endpoints_before_it_stops_serving() -> None:
    clock = VirtualClock()
    async with running_node(new_api(clock), clock, drain_s=60) as node:
        await node.api.create(SERVICE, service_object())
        await started(node, pod_object("a"), pod_object("b"))
        await eventually(lambda: has(node, {"a": True, "b": True}))
        await node.api.delete(POD, Key("default", "a"))
        await eventually(lambda: has(node, {"a": False, "b": True}))
        (worker,) = [each for each in node.kubelet.workers.values() if each.pod.metadata.name == "a"]
        (container,) = worker.containers
        assert isinstance(container.running, SimulatedContainer)
        assert container.running.is_listening


async def test_a_pod_that_is_gone_is_no_endpoint(node: RunningNode) -> None:
    await node.api.create(SERVICE, service_object())
    await started(node, pod_object("a"))
    await eventually(lambda: has(node, {"a": True}))
    await node.api.delete(POD, Key("default", "a"), grace_s=0)
    await eventually(lambda: has(node, {}))


async def test_a_slice_that_somebody_deletes_or_changes_is_mended(node: RunningNode) -> None:
    await node.api.create(SERVICE, service_object())
    await started(node, pod_object("a"))
    await eventually(lambda: has(node, {"a": True}))
    (slice_,) = (await node.api.list(ENDPOINT_SLICE, selector=OF_WEB)).items
    key = Key("default", slice_["metadata"]["name"])
    await node.api.patch(ENDPOINT_SLICE, key, {"endpoints": []})
    await eventually(lambda: has(node, {"a": True}))
    await node.api.delete(ENDPOINT_SLICE, key)
    await eventually(lambda: has(node, {"a": True}))


async def test_a_port_with_another_name_leaves_no_old_slice_behind(node: RunningNode) -> None:
    await node.api.create(SERVICE, service_object())
    await started(node, pod_object("a"))
    await eventually(lambda: has(node, {"a": True}))
    ports = [{"name": "http", "port": 80, "targetPort": 8080}]
    await node.api.patch(SERVICE, Key("default", "web"), {"spec": {"ports": ports}})

    async def renamed() -> bool:
        slices = (await node.api.list(ENDPOINT_SLICE, selector=OF_WEB)).items
        return [[port["name"] for port in each["ports"]] for each in slices] == [["http"]]

    await eventually(renamed)


async def test_older_clients_find_the_ready_pods_in_endpoints(node: RunningNode) -> None:
    await node.api.create(SERVICE, service_object())
    await started(node, pod_object("a"))

    async def listed() -> bool:
        (subset,) = (await node.api.get(ENDPOINTS, Key("default", "web")))["subsets"]
        return [each["targetRef"]["name"] for each in subset["addresses"]] == ["a"]

    await eventually(listed, ignoring=(NotFoundError, ValueError, KeyError))


async def test_the_endpoints_of_a_service_without_a_selector_are_left_to_their_writer(node: RunningNode) -> None:
    bare = {"metadata": {"name": "bare", "namespace": "default"}, "spec": {"ports": [{"port": 80}]}}
    await node.api.create(SERVICE, bare)
    await node.api.create(SERVICE, service_object())
    await started(node, pod_object("a"))
    await eventually(lambda: has(node, {"a": True}))
    assert (await node.api.list(ENDPOINT_SLICE, selector="kubernetes.io/service-name=bare")).items == []


async def test_with_lag_each_change_is_seen_that_much_later_and_in_its_order(node: RunningNode) -> None:
    await node.api.create(SERVICE, service_object())
    await started(node, pod_object("a"))
    await eventually(lambda: has(node, {"a": True}))
    node.lags.set({"endpoints": 3})
    await node.api.delete(POD, Key("default", "a"), grace_s=0)
    await node.clock.advance(1)
    await node.api.create(POD, pod_object("b"))
    await node.clock.advance(1.9)
    assert await has(node, {"a": True})
    await node.clock.advance(0.2)
    await eventually(lambda: has(node, {}))
    await eventually(lambda: ready_pod(node.api, "b"))
    await node.clock.advance(2.9)
    await eventually(lambda: has(node, {"b": True}))


async def test_a_selector_lags_by_itself(node: RunningNode) -> None:
    node.lags.set({"selector": 3})
    old, new = {"v": "1"}, {"v": "2"}
    await started(node, pod_object("old", labels=old), pod_object("new", labels=new))
    await node.api.create(SERVICE, service_object(**old))
    await node.clock.advance(3)
    await eventually(lambda: has(node, {"old": True}))
    await node.api.patch(SERVICE, Key("default", "web"), {"spec": {"selector": new}})
    await node.clock.advance(2.9)
    assert await has(node, {"old": True})
    await node.clock.advance(0.2)
    await eventually(lambda: has(node, {"new": True}))
