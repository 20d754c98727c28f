"""Where the configuration comes from: an API that is watched, names that are resolved."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from meshsim.api.decode import Object, read_documents
from meshsim.api.kinds import DESTINATION_RULE, ENDPOINT_SLICE, POD, SERVICE, VIRTUAL_SERVICE, Kind, kind_named
from meshsim.api.lag import Lags
from meshsim.api.meta import Key
from meshsim.client.api import Listing
from meshsim.kit.clock import LoopClock, VirtualClock
from meshsim.kit.tasks import TaskOwner
from meshsim.mesh.compile import MeshObjects, ProxySpec, Snapshot
from meshsim.proxy.configuration.configuration import Publisher
from meshsim.proxy.configuration.sources import ApiSource
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
_WEIGHTS = Key("default", "weights")
_SLICE = Key("default", "my-app-x")
_SETTLING = (
    _MANIFESTS
    + """
---
apiVersion: v1
kind: Pod
metadata: {name: q, namespace: default, labels: {app: my-app, hash: "2"}}
spec: {containers: [{name: a, image: "my-app:v2"}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: weights, namespace: default}
spec: {hosts: [my-app], http: [{route: [{destination: {host: my-app}}], timeout: 1s}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: other, namespace: default}
spec: {hosts: [other], http: [{directResponse: {status: 201}}]}
"""
)


def _changed_rule(timeout: str) -> Object:
    return {"spec": {"http": [{"route": [{"destination": {"host": "my-app"}}], "timeout": timeout}]}}


def _other(status: int) -> Object:
    return {"spec": {"http": [{"directResponse": {"status": status}}]}}


class _Followed:
    """A source under watch: the rules and the endpoints that are in force."""

    def __init__(self, api: InProcessApi, clock: VirtualClock, lags: Lags) -> None:
        self.api, self.clock, self.lags = api, clock, lags
        self.source = ApiSource(api, self.publish, _never, lags, clock)
        self.seen: list[MeshObjects] = []

    def publish(self) -> None:
        self.seen.append(self.source.objects())

    def timeout(self) -> str | None:
        rules = {one.metadata.name: one.spec.http[0] for one in self.seen[-1].virtual_services}
        return str(rules["weights"].timeout)

    def status(self) -> int:
        rules = {one.metadata.name: one.spec.http[0] for one in self.seen[-1].virtual_services}
        reply = rules["other"].direct_response
        return 0 if reply is None else reply.status

    async def settled(self) -> None:
        """Let what was written arrive, without any time passing on the cluster's clock."""
        await self.clock.advance(0)

    async def endpoint_comes(self) -> None:
        target = {"kind": "Pod", "name": "q", "namespace": "default"}
        endpoint = {"addresses": ["127.9.0.2"], "conditions": {"ready": True}, "targetRef": target}
        await self.api.patch(ENDPOINT_SLICE, _SLICE, {"endpoints": [endpoint]})
        await self.settled()


@asynccontextmanager
async def _following() -> AsyncIterator[_Followed]:
    clock = VirtualClock()
    api = InProcessApi(clock)
    await _create(api, _SETTLING)
    followed = _Followed(api, clock, Lags())
    async with TaskOwner() as tasks:
        followed.source.start(tasks)
        await followed.source.synced()
        followed.publish()
        yield followed


async def test_weights_wait_for_the_endpoints_of_a_switched_service() -> None:
    async with _following() as followed:
        await followed.api.patch(SERVICE, _SWITCHED, {"spec": {"selector": {"hash": "2"}}})
        await followed.api.patch(VIRTUAL_SERVICE, _WEIGHTS, _changed_rule("2s"))
        await followed.settled()
        assert followed.timeout() == "1s"
        await followed.endpoint_comes()
        assert followed.timeout() == "2s"


async def test_other_rules_do_not_wait_for_a_switched_service() -> None:
    async with _following() as followed:
        await followed.api.patch(SERVICE, _SWITCHED, {"spec": {"selector": {"hash": "2"}}})
        await followed.api.patch(VIRTUAL_SERVICE, _WEIGHTS, _changed_rule("2s"))
        await followed.api.patch(VIRTUAL_SERVICE, Key("default", "other"), _other(202))
        await followed.settled()
        assert (followed.timeout(), followed.status()) == ("1s", 202)


async def test_endpoints_that_never_follow_their_service_are_not_waited_for_long() -> None:
    async with _following() as followed:
        await followed.api.patch(SERVICE, _SWITCHED, {"spec": {"selector": {"hash": "2"}}})
        await followed.api.patch(VIRTUAL_SERVICE, _WEIGHTS, _changed_rule("2s"))
        await eventually(lambda: followed.timeout() == "2s", within_s=2)


async def test_a_selector_that_selects_the_same_pods_is_not_waited_for() -> None:
    async with _following() as followed:
        await followed.api.patch(POD, Key("default", "p"), {"metadata": {"labels": {"team": "a"}}})
        await followed.api.patch(SERVICE, _SWITCHED, {"spec": {"selector": {"app": None, "team": "a"}}})
        await followed.settled()
        await followed.api.patch(VIRTUAL_SERVICE, _WEIGHTS, _changed_rule("2s"))
        await followed.settled()
        assert followed.timeout() == "2s"


async def test_rules_arrive_as_late_as_they_lag_and_in_their_order() -> None:
    async with _following() as followed:
        followed.lags.set({"vs": 2})
        await followed.api.patch(VIRTUAL_SERVICE, _WEIGHTS, _changed_rule("2s"))
        await followed.clock.advance(1)
        followed.lags.set({"vs": 0})
        await followed.api.patch(VIRTUAL_SERVICE, _WEIGHTS, _changed_rule("3s"))
        await followed.settled()
        followed.publish()
        assert followed.timeout() == "1s"
        known = len(followed.seen)
        await followed.clock.advance(1)
        assert [one.virtual_services[-1].spec.http[0].timeout for one in followed.seen[known:]] != []
        assert followed.timeout() == "3s"
        await followed.api.patch(VIRTUAL_SERVICE, _WEIGHTS, _changed_rule("4s"))
        await followed.settled()
        assert followed.timeout() == "4s"


async def test_a_rule_that_is_new_or_gone_lags_too_and_services_do_not() -> None:
    async with _following() as followed:
        followed.lags.set({"vs": 2})
        await followed.api.delete(VIRTUAL_SERVICE, _WEIGHTS)
        await _create(followed.api, _SETTLING.split("---")[-1].replace("other", "new"))
        await followed.api.delete(SERVICE, _SWITCHED)
        await followed.settled()
        followed.publish()
        names = [one.metadata.name for one in followed.seen[-1].virtual_services]
        assert (sorted(names), followed.seen[-1].services) == (["other", "weights"], ())
        await followed.clock.advance(2)
        assert sorted(one.metadata.name for one in followed.seen[-1].virtual_services) == ["new", "other"]


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
