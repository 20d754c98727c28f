"""Unit tests of a Service's endpoints."""

from typing import Any

import pytest

from meshsim.api.core import Pod, Service
from meshsim.api.decode import Object, decode
from meshsim.runtime.endpoints.endpoints_plan import endpoints_of, has_endpoints, slices_of

HTTP = {"port": 80, "targetPort": 8080}


def service(*ports: Object, selector: Object | None = None, **spec: Any) -> Service:
    return decode(
        Service,
        {
            "metadata": {"name": "web", "namespace": "default", "uid": "u-web", "labels": {"team": "a"}},
            "spec": {"selector": {"app": "web"} if selector is None else selector, "ports": list(ports), **spec},
        },
    )


def pod(
    name: str,
    *,
    ready: bool = True,
    ip: str | None = None,
    labels: Object | None = None,
    phase: str = "Running",
    ports: list[Object] | None = None,
    **metadata: Any,
) -> Pod:
    return decode(
        Pod,
        {
            "metadata": {
                "name": name,
                "namespace": "default",
                "uid": f"u-{name}",
                "labels": {"app": "web"} if labels is None else labels,
                **metadata,
            },
            "spec": {"nodeName": "node", "containers": [{"name": "web", "ports": ports or []}]},
            "status": {
                "phase": phase,
                "podIP": f"ip-{name}" if ip is None else ip,
                "conditions": [{"type": "Ready", "status": str(ready)}],
            },
        },
    )


def addresses(slice_: Object) -> list[str]:
    return [endpoint["addresses"][0] for endpoint in slice_["endpoints"]]


def test_a_service_without_a_selector_or_of_another_name_has_no_endpoints_of_ours() -> None:
    assert has_endpoints(service(HTTP))
    assert not has_endpoints(service(HTTP, selector={}))
    assert not has_endpoints(service(HTTP, type="ExternalName"))


def test_the_slice_of_a_service_names_it_and_belongs_to_it() -> None:
    (only,) = slices_of(service(HTTP), [pod("a")])
    metadata = only["metadata"]
    assert metadata["labels"] == {
        "team": "a",
        "kubernetes.io/service-name": "web",
        "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
    }
    assert metadata["ownerReferences"][0]["uid"] == "u-web"
    assert only["ports"] == [{"name": "", "protocol": "TCP", "port": 8080}]
    assert only["endpoints"] == [
        {
            "addresses": ["ip-a"],
            "conditions": {"ready": True, "serving": True, "terminating": False},
            "targetRef": {"kind": "Pod", "name": "a", "namespace": "default", "uid": "u-a"},
            "nodeName": "node",
        }
    ]


@pytest.mark.parametrize(
    ("member", "conditions"),
    [
        (pod("a"), {"ready": True, "serving": True, "terminating": False}),
        (pod("a", ready=False), {"ready": False, "serving": False, "terminating": False}),
        (
            pod("a", deletionTimestamp="2026-01-01T00:00:00Z"),
            {"ready": False, "serving": True, "terminating": True},
        ),
        (
            pod("a", ready=False, deletionTimestamp="2026-01-01T00:00:00Z"),
            {"ready": False, "serving": False, "terminating": True},
        ),
    ],
    ids=["ready", "not ready", "terminating", "terminating and not ready"],
)
def test_a_terminating_pod_still_serves_but_is_not_ready(member: Pod, conditions: Object) -> None:
    (only,) = slices_of(service(HTTP), [member])
    assert only["endpoints"][0]["conditions"] == conditions


@pytest.mark.parametrize(
    "absent",
    [pod("a", ip=""), pod("a", phase="Succeeded"), pod("a", phase="Failed"), pod("a", labels={"app": "other"})],
    ids=["no address", "succeeded", "failed", "not selected"],
)
def test_a_pod_that_cannot_serve_is_no_endpoint(absent: Pod) -> None:
    (only,) = slices_of(service(HTTP), [absent])
    assert only["endpoints"] == []
    assert endpoints_of(service(HTTP), [absent])["subsets"] == []


def test_a_service_keeps_its_slice_when_its_last_pod_goes() -> None:
    (with_pod,) = slices_of(service(HTTP), [pod("a")])
    (without,) = slices_of(service(HTTP), [])
    assert with_pod["metadata"] == without["metadata"]


def test_an_absent_target_port_is_the_ports_own_number() -> None:
    (only,) = slices_of(service({"port": 80}), [pod("a")])
    assert only["ports"][0]["port"] == 80


def test_pods_that_give_a_name_to_different_ports_have_slices_of_their_own() -> None:
    named = service({"name": "http", "port": 80, "targetPort": "web"})
    old = pod("a", ports=[{"name": "web", "containerPort": 8080}])
    new = pod("b", ports=[{"name": "web", "containerPort": 9090}])
    slices = slices_of(named, [new, old])
    assert {(each["ports"][0]["port"], tuple(addresses(each))) for each in slices} == {
        (8080, ("ip-a",)),
        (9090, ("ip-b",)),
    }
    assert len({each["metadata"]["name"] for each in slices}) == 2


def test_a_port_whose_name_a_pod_does_not_know_is_left_out() -> None:
    two = service({"name": "http", "port": 80, "targetPort": 8080}, {"name": "admin", "port": 81, "targetPort": "adm"})
    (only,) = slices_of(two, [pod("a")])
    assert [port["name"] for port in only["ports"]] == ["http"]


def test_a_pod_without_an_address_of_its_own_is_reached_where_it_listens() -> None:
    (only,) = slices_of(service(HTTP), [pod("a", annotations={"meshsim.dev/ports": "8080=41233"})])
    assert only["ports"][0]["port"] == 41233


def test_endpoints_stand_in_the_order_of_the_pods_names_and_a_hundred_in_a_slice() -> None:
    slices = slices_of(service(HTTP), [pod(f"p{number:03}") for number in reversed(range(150))])
    assert [len(each["endpoints"]) for each in slices] == [100, 50]
    assert addresses(slices[0])[:2] == ["ip-p000", "ip-p001"]


def test_endpoints_for_older_clients_tell_ready_pods_from_others() -> None:
    pods = [pod("a"), pod("b", ready=False), pod("c", deletionTimestamp="2026-01-01T00:00:00Z")]
    (subset,) = endpoints_of(service(HTTP), pods)["subsets"]
    assert [address["ip"] for address in subset["addresses"]] == ["ip-a"]
    assert [address["ip"] for address in subset["notReadyAddresses"]] == ["ip-b"]
    assert subset["ports"] == [{"name": "", "protocol": "TCP", "port": 8080}]
