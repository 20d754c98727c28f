"""Where the configuration comes from: an API that is watched, names that are resolved."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from meshsim.api.decode import Object, read_documents
from meshsim.api.kinds import DESTINATION_RULE, ENDPOINT_SLICE, POD, SERVICE, Kind, kind_named
from meshsim.api.meta import Key
from meshsim.client.api import Listing
from meshsim.kit.clock import LoopClock
from meshsim.kit.tasks import TaskOwner
from meshsim.mesh.compile import ProxySpec, Snapshot
from meshsim.proxy.configuration import Publisher
from meshsim.proxy.sources import ApiSource
from tests.kits.api import InProcessApi
from tests.kits.eventually import eventually
from tests.kits.mesh import objects

pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_factories=["uvloop"])]

_CLUSTER = "outbound|80||my-app.default.svc.cluster.local"
_MANIFESTS = """
apiVersion: v1
kind: Service
metadata: {name: my-app, namespace: default}
spec: {selector: {app: my-app}, ports: [{name: http, port: 80, targetPort: 8080}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: my-app-x, namespace: default, labels: {kubernetes.io/service-name: my-app}}
addressType: IPv4
ports: [{name: http, port: 8080}]
endpoints: [{addresses: [127.9.0.1], conditions: {ready: true}, targetRef: {kind: Pod, name: p, namespace: default}}]
---
apiVersion: v1
kind: Pod
metadata: {name: p, namespace: default, labels: {app: my-app}}
spec: {containers: [{name: a, image: "my-app:v1"}]}
"""


def _never(sentence: str) -> None:
    pytest.fail(sentence)


class _Published:
    """What was put in force, in order."""

    def __init__(self) -> None:
        self.snapshots: list[Snapshot] = []

    @property
    def last(self) -> Snapshot:
        return self.snapshots[-1]

    def addresses(self) -> list[str]:
        return [endpoint.ip for endpoint in self.last.clusters[_CLUSTER].endpoints]


async def _create(api: InProcessApi, manifests: str) -> None:
    for document in read_documents(manifests, "m"):
        kind = kind_named(document.value["apiVersion"], document.value["kind"])
        assert kind is not None
        await api.create(kind, document.value)


async def test_an_api_is_followed_change_by_change() -> None:
    api, published = InProcessApi(LoopClock()), _Published()
    await _create(api, _MANIFESTS)
    async with TaskOwner() as tasks:
        publisher = Publisher(ProxySpec(), published.snapshots.append, tasks)
        source = ApiSource(api, publisher.changed, _never)
        source.start(tasks)
        publisher.follow(source.objects)
        await source.synced()
        await eventually(lambda: published.addresses() == ["127.9.0.1"], ignoring=(KeyError,))
        assert published.last.clusters[_CLUSTER].endpoints[0].workload.version == "v1"
        slice_key = Key("default", "my-app-x")
        await api.patch(ENDPOINT_SLICE, slice_key, {"endpoints": []})
        await eventually(lambda: published.addresses() == [])
        await api.delete(SERVICE, Key("default", "my-app"))
        await eventually(lambda: _CLUSTER not in published.last.clusters)


async def test_how_a_pod_is_changes_nothing_and_what_it_is_does() -> None:
    api, published = InProcessApi(LoopClock()), _Published()
    await _create(api, _MANIFESTS)
    async with TaskOwner() as tasks:
        publisher = Publisher(ProxySpec(), published.snapshots.append, tasks)
        source = ApiSource(api, publisher.changed, _never)
        source.start(tasks)
        publisher.follow(source.objects)
        await source.synced()
        await eventually(published.addresses, ignoring=(KeyError,))
        before = len(published.snapshots)
        await api.patch(POD, Key("default", "p"), {"status": {"phase": "Running"}}, subresource="status")
        await api.patch(POD, Key("default", "p"), {"metadata": {"labels": {"version": "blue"}}})
        await eventually(lambda: published.last.clusters[_CLUSTER].endpoints[0].workload.version == "blue")
        assert len(published.snapshots) == before + 1


async def test_a_burst_of_changes_is_published_once() -> None:
    published = _Published()
    async with TaskOwner() as tasks:
        publisher = Publisher(ProxySpec(), published.snapshots.append, tasks)
        publisher.follow(lambda: objects(_MANIFESTS))
        for _ in range(50):
            publisher.changed()
        await eventually(lambda: len(published.snapshots) == 2)


async def test_what_changes_within_a_few_milliseconds_comes_into_force_together() -> None:
    clock, published = LoopClock(), _Published()
    async with TaskOwner() as tasks:
        publisher = Publisher(ProxySpec(), published.snapshots.append, tasks)
        publisher.follow(lambda: objects(_MANIFESTS))
        publisher.changed()
        await clock.sleep(0.01)
        publisher.changed()
        assert len(published.snapshots) == 1
        await eventually(lambda: len(published.snapshots) == 2)


async def test_changes_that_never_cease_are_published_all_the_same() -> None:
    clock, published = LoopClock(), _Published()
    async with TaskOwner() as tasks:
        publisher = Publisher(ProxySpec(), published.snapshots.append, tasks)
        publisher.follow(lambda: objects(_MANIFESTS))
        for _ in range(100):
            publisher.changed()
            await clock.sleep(0.002)
            if len(published.snapshots) > 1:
                break
        assert len(published.snapshots) == 2


_SWITCHED = Key("default", "my-app")


@asynccontextmanager
async def _switching() -> AsyncIterator[tuple[InProcessApi, _Published]]:
    """A Service with its endpoint in force, and a pod of the next version that it doesn't select yet."""
    api, published = InProcessApi(LoopClock()), _Published()
    await _create(api, _MANIFESTS)
    next_pod = {
        "metadata": {"name": "q", "namespace": "default", "labels": {"app": "my-app", "hash": "2"}},
        "spec": {"containers": [{"name": "a", "image": "my-app:v2"}]},
    }
    await api.create(POD, next_pod)
    async with TaskOwner() as tasks:
        publisher = Publisher(ProxySpec(), published.snapshots.append, tasks)
        source = ApiSource(api, publisher.changed, _never)
        source.start(tasks)
        publisher.follow(source.objects, source.is_settled)
        await source.synced()
        await eventually(lambda: published.addresses() == ["127.9.0.1"], ignoring=(KeyError,))
        yield api, published


async def test_a_switched_service_comes_into_force_with_its_endpoints() -> None:
    async with _switching() as (api, published):
        before = len(published.snapshots)
        await api.patch(SERVICE, _SWITCHED, {"spec": {"selector": {"hash": "2"}}})
        await LoopClock().sleep(0.1)
        assert len(published.snapshots) == before
        target = {"kind": "Pod", "name": "q", "namespace": "default"}
        endpoint = {"addresses": ["127.9.0.2"], "conditions": {"ready": True}, "targetRef": target}
        await api.patch(ENDPOINT_SLICE, Key("default", "my-app-x"), {"endpoints": [endpoint]})
        await eventually(lambda: published.addresses() == ["127.9.0.2"])
        assert len(published.snapshots) == before + 1


async def test_endpoints_that_never_follow_their_service_are_not_waited_for_long() -> None:
    async with _switching() as (api, published):
        before = len(published.snapshots)
        await api.patch(SERVICE, _SWITCHED, {"spec": {"selector": {"hash": "2"}}})
        await eventually(lambda: len(published.snapshots) == before + 1, within_s=2)
        assert published.addresses() == ["127.9.0.1"]


async def test_a_selector_that_selects_the_same_pods_is_not_waited_for() -> None:
    async with _switching() as (api, _), TaskOwner() as tasks:
        source = ApiSource(api, lambda: None, _never)
        source.start(tasks)
        await source.synced()
        await api.patch(POD, Key("default", "p"), {"metadata": {"labels": {"team": "a"}}})
        await api.patch(SERVICE, _SWITCHED, {"spec": {"selector": {"app": None, "team": "a"}}})
        await eventually(lambda: [one.spec.selector for one in source.objects().services] == [{"team": "a"}])
        await eventually(source.is_settled)


async def test_names_of_service_entries_are_resolved() -> None:
    entry = (
        "apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {name: e}\nspec:\n  hosts: [local.test]\n"
        "  resolution: DNS\n  ports: [{number: 80, name: http, protocol: HTTP}]\n  endpoints: [{address: localhost}]\n"
    )
    published = _Published()
    async with TaskOwner() as tasks:
        publisher = Publisher(ProxySpec(), published.snapshots.append, tasks)
        publisher.follow(lambda: objects(entry))

        def found() -> bool:
            return [e.ip for e in published.last.clusters["outbound|80||local.test"].endpoints] == ["127.0.0.1"]

        await eventually(found)


async def test_an_object_that_cannot_be_read_is_said_once_and_the_others_count() -> None:
    said: list[str] = []
    broken = {
        "apiVersion": DESTINATION_RULE.api_version,
        "kind": "DestinationRule",
        "metadata": {"name": "broken", "namespace": "default", "resourceVersion": "1"},
        "spec": {"host": "my-app", "subsets": 7},
    }
    api, published = InProcessApi(LoopClock()), _Published()
    await _create(api, _MANIFESTS)
    async with TaskOwner() as tasks:
        publisher = Publisher(ProxySpec(), published.snapshots.append, tasks)
        source = ApiSource(_Adding(api, broken), publisher.changed, said.append)
        source.start(tasks)
        publisher.follow(source.objects)
        await source.synced()
        await eventually(lambda: published.addresses() == ["127.9.0.1"], ignoring=(KeyError,))
        publisher.publish()
    assert said == ["DestinationRule default/broken is left out: spec.subsets: Expected array, got int"]


class _Adding(InProcessApi):
    """An API that lists an object which its validation would never have let in."""

    def __init__(self, api: InProcessApi, extra: Object) -> None:
        super().__init__(api.clock)
        self.store, self.registry = api.store, api.registry
        self._extra = extra

    async def list(self, kind: Kind, namespace: str | None = None, *, selector: str = "") -> Listing:
        listing = await super().list(kind, namespace, selector=selector)
        if kind is DESTINATION_RULE:
            listing.items.append(self._extra)
        return listing
