"""Clusters: endpoints, subsets, the policies that reach them, and how metrics call what runs there."""

import pytest

from meshsim.mesh.clusters import ClusterPlan
from meshsim.mesh.compile import MeshObjects, ProxySpec, compile_snapshot
from tests.kits.mesh import objects

_SERVICE = """
apiVersion: v1
kind: Service
metadata: {name: my-app}
spec:
  ports: [{name: http, port: 80, targetPort: 8080}, {name: admin, port: 81, targetPort: 8081}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: a, labels: {kubernetes.io/service-name: my-app}}
ports: [{name: http, port: 8080}, {name: admin, port: 8081}]
endpoints:
- {addresses: [127.9.0.1], conditions: {ready: true}, targetRef: {kind: Pod, name: p1}}
- {addresses: [127.9.0.2], conditions: {ready: true}, targetRef: {kind: Pod, name: p2}}
- {addresses: [127.9.0.3], conditions: {ready: false}, targetRef: {kind: Pod, name: p2}}
---
apiVersion: v1
kind: Pod
metadata:
  name: p1
  namespace: default
  labels: {app: my-app, rollouts-pod-template-hash: abc, version: blue}
  ownerReferences: [{kind: ReplicaSet, name: my-app-abc, controller: true}]
spec: {containers: [{name: a, image: "my-app:v1"}]}
---
apiVersion: v1
kind: Pod
metadata: {name: p2, namespace: default, labels: {app: my-app}}
spec: {containers: [{name: a, image: "reg:5000/my-app:v2"}]}
"""
_NAME = "outbound|80||my-app.default.svc.cluster.local"


def _plans(*texts: str, resolved: dict[str, tuple[str, ...]] | None = None) -> dict[str, ClusterPlan]:
    given = objects(_SERVICE, *texts)
    if resolved:
        given = MeshObjects(service_entries=given.service_entries, resolved=resolved)
    return dict(compile_snapshot(given, ProxySpec()).clusters)


def _rule(spec: str, namespace: str = "default") -> str:
    return (
        "apiVersion: networking.istio.io/v1\nkind: DestinationRule\n"
        f"metadata: {{name: d, namespace: {namespace}}}\nspec: {{host: my-app.default.svc.cluster.local, {spec}}}"
    )


def _addresses(plan: ClusterPlan) -> list[str]:
    return [f"{endpoint.ip}:{endpoint.port}" for endpoint in plan.endpoints]


def test_endpoints_are_the_ready_ones_on_the_ports_target() -> None:
    plans = _plans()
    assert _addresses(plans[_NAME]) == ["127.9.0.1:8080", "127.9.0.2:8080"]
    assert _addresses(plans[_NAME.replace("|80|", "|81|")]) == ["127.9.0.1:8081", "127.9.0.2:8081"]


def test_an_endpoint_waits_for_its_pod() -> None:
    without_second = _SERVICE[: _SERVICE.rindex("---")]
    plan = compile_snapshot(objects(without_second), ProxySpec()).clusters[_NAME]
    assert _addresses(plan) == ["127.9.0.1:8080"]


def test_a_workload_is_named_by_its_owner_and_its_version_by_label_or_image_tag() -> None:
    first, second = (endpoint.workload for endpoint in _plans()[_NAME].endpoints)
    assert (first.name, first.app, first.version, first.canonical_revision) == ("my-app", "my-app", "blue", "blue")
    assert (second.name, second.version, second.canonical_service) == ("p2", "v2", "my-app")


def test_pods_of_one_version_are_one_workload() -> None:
    twin = _SERVICE.replace("[127.9.0.2]", "[127.9.0.4]").replace("name: p2", "name: p3")
    pod = (
        "kind: Pod\napiVersion: v1\nmetadata: {name: %s, namespace: default, labels: {app: my-app, version: blue}, %s}"
    )
    owned = "ownerReferences: [{kind: ReplicaSet, name: my-app, controller: true}]"
    given = objects(twin, pod % ("p1", owned), pod % ("p3", owned))
    plan = compile_snapshot(given, ProxySpec()).clusters[_NAME]
    assert len({endpoint.workload for endpoint in plan.endpoints}) == 1
    assert [endpoint.pod for endpoint in plan.endpoints] == ["p1", "p3"]


def test_a_subset_holds_the_endpoints_with_its_labels() -> None:
    plans = _plans(_rule("subsets: [{name: blue, labels: {version: blue}}, {name: all}, {name: none, labels: {a: b}}]"))
    found = {
        name: _addresses(plans[f"outbound|80|{name}|my-app.default.svc.cluster.local"])
        for name in ("blue", "all", "none")
    }
    assert found == {"blue": ["127.9.0.1:8080"], "all": _addresses(plans[_NAME]), "none": []}


def test_blocks_of_a_subset_replace_the_hosts_whole() -> None:
    plans = _plans(
        _rule(
            "trafficPolicy: {connectionPool: {tcp: {maxConnections: 1}}, outlierDetection: {}},"
            "subsets: [{name: s, trafficPolicy: {connectionPool: {http: {maxRetries: 7}}}}]"
        )
    )
    subset = plans["outbound|80|s|my-app.default.svc.cluster.local"]
    assert plans[_NAME].limits.max_connections == 1
    assert (subset.limits.max_retries, subset.limits.max_connections) == (7, 2**32 - 1)
    assert subset.outlier is not None


def test_a_ports_settings_replace_the_policy_entirely() -> None:
    plans = _plans(
        _rule(
            "trafficPolicy: {outlierDetection: {}, portLevelSettings: "
            "[{port: {number: 81}, connectionPool: {tcp: {maxConnections: 3}}}]}"
        )
    )
    assert plans[_NAME].outlier is not None
    other = plans[_NAME.replace("|80|", "|81|")]
    assert (other.outlier, other.limits.max_connections) == (None, 3)


@pytest.mark.parametrize(("namespace", "applies"), [("default", True), ("istio-system", True), ("ns2", False)])
def test_whose_rules_count(namespace: str, applies: bool) -> None:
    plans = _plans(_rule("trafficPolicy: {outlierDetection: {}}", namespace))
    assert (plans[_NAME].outlier is not None) is applies


def test_the_proxys_own_namespace_comes_before_the_root() -> None:
    plans = _plans(
        _rule("trafficPolicy: {connectionPool: {tcp: {maxConnections: 1}}}", "istio-system"),
        _rule("trafficPolicy: {connectionPool: {tcp: {maxConnections: 2}}}"),
    )
    assert plans[_NAME].limits.max_connections == 2


def test_rules_of_one_host_are_merged_and_the_older_wins() -> None:
    older = _rule("subsets: [{name: s, labels: {version: blue}}]")
    younger = _rule("trafficPolicy: {outlierDetection: {}}, subsets: [{name: s}, {name: t}]")
    plans = _plans(older, younger.replace("{name: d,", "{name: e,"))
    assert len(plans["outbound|80|s|my-app.default.svc.cluster.local"].endpoints) == 1
    assert "outbound|80|t|my-app.default.svc.cluster.local" in plans
    assert plans[_NAME].outlier is not None


_ENTRY = """
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: ext}
spec:
  hosts: [ext.test]
  resolution: %s
  ports: [{number: 80, name: http, protocol: HTTP, targetPort: 9090}]
  endpoints: %s
"""


def test_a_service_entry_with_static_endpoints() -> None:
    plans = _plans(
        _ENTRY % ("STATIC", '[{address: 127.0.0.9, labels: {version: v3}}, {address: "::1", ports: {http: 1}}]')
    )
    plan = plans["outbound|80||ext.test"]
    assert _addresses(plan) == ["127.0.0.9:9090", "::1:1"]
    assert plan.endpoints[0].workload.version == "v3"


def test_a_service_entry_by_dns_has_the_addresses_that_were_found() -> None:
    entry = _ENTRY % ("DNS", "[]")
    assert _plans(entry, resolved={"ext.test": ("10.0.0.1",)})["outbound|80||ext.test"].endpoints[0].ip == "10.0.0.1"
    assert _plans(entry)["outbound|80||ext.test"].endpoints == ()
