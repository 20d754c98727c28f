from typing import Any

from meshsim.api.analyze.analysis import analyze
from meshsim.api.decode import Object
from meshsim.api.validate.lint import subject_of
from tests.kits import manifests


def _istio(kind: str, name: str, namespace: str = "default", **spec: Any) -> Object:
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "networking.istio.io/v1", "kind": kind, "metadata": metadata, "spec": spec}


def _route(host: str, subset: str = "", port: int | None = None) -> Object:
    destination: Object = {"host": host}
    if subset:
        destination["subset"] = subset
    if port is not None:
        destination["port"] = {"number": port}
    return {"route": [{"destination": destination}]}


def _service(name: str = "web", *ports: int) -> Object:
    service = manifests.service(name)
    service["spec"]["ports"] = [{"name": f"p{port}", "port": port} for port in ports or (80,)]
    return service


def _found(*objects: Object) -> list[tuple[int, str]]:
    return [(number, str(finding)) for number, finding in analyze([subject_of("f", obj) for obj in objects])]


def test_a_whole_mesh_has_no_findings() -> None:
    subsets = [{"name": "v1", "labels": {"app": "web"}}]
    rule = _istio("DestinationRule", "web", host="web", subsets=subsets)
    virtual_service = _istio("VirtualService", "web", hosts=["web"], http=[_route("web", "v1")])

    assert _found(_service(), rule, virtual_service, manifests.rollout("web")) == []


def test_a_host_that_is_not_there_is_told_where_it_is_named() -> None:
    assert _found(_istio("VirtualService", "a", hosts=["x"], http=[_route("gone")])) == [
        (0, 'spec.http[0].route[0].destination.host: [IST0101] Referenced host not found: "gone"')
    ]


def test_a_short_host_is_looked_for_in_the_namespace() -> None:
    elsewhere = _istio("VirtualService", "a", "elsewhere", hosts=["x"], http=[_route("web")])
    full = _istio("VirtualService", "b", "elsewhere", hosts=["y"], http=[_route("web.default.svc.cluster.local")])

    assert [number for number, _ in _found(_service(), elsewhere, full)] == [1]


def test_a_port_is_the_services_and_named_where_there_are_several() -> None:
    several = _service("web", 80, 81)

    assert [text for _, text in _found(several, _istio("VirtualService", "a", hosts=["x"], http=[_route("web")]))] == [
        'spec.http[0].route[0].destination.host: [IST0112] This VirtualService routes to a service "web" that '
        "exposes multiple ports [80 81]. Specifying a port in the destination is required to disambiguate."
    ]
    wrong = _istio("VirtualService", "a", hosts=["x"], http=[_route("web", port=82)])
    assert [text.partition("] ")[2] for _, text in _found(several, wrong)] == [
        'Referenced host:port not found: "web:82"'
    ]


def test_a_subset_needs_a_destination_rule() -> None:
    findings = _found(_service(), _istio("VirtualService", "a", hosts=["x"], http=[_route("web", "v9")]))

    assert [text.partition("] ")[2] for _, text in findings] == [
        'Referenced host+subset in destinationrule not found: "web+v9"'
    ]


def test_a_gateway_must_be_there_and_serve_the_host() -> None:
    server = {"port": {"number": 80, "name": "http", "protocol": "HTTP"}, "hosts": ["a.com"]}
    gateway = _istio("Gateway", "edge", servers=[server])
    virtual_service = _istio(
        "VirtualService", "a", hosts=["b.com"], gateways=["edge", "gone", "mesh"], http=[_route("web")]
    )

    assert [text for number, text in _found(_service(), gateway, virtual_service) if number == 2] == [
        "spec.gateways[0]: [IST0132] one or more host [b.com] defined in VirtualService default/a not found in Gateway "
        "default/edge.",
        'spec.gateways[1]: [IST0101] Referenced gateway not found: "gone"',
        "spec.gateways[1]: [IST0132] one or more host [b.com] defined in VirtualService default/a not found in Gateway "
        "default/gone.",
    ]


def test_two_virtual_services_for_one_host_of_the_mesh_are_in_conflict() -> None:
    pair = [_istio("VirtualService", name, hosts=["web"], http=[_route("web")]) for name in ("a", "b")]

    findings = _found(_service(), *pair)

    assert [number for number, _ in findings] == [1, 2]
    assert all("[IST0109] The VirtualServices default/a,default/b associated" in text for _, text in findings)


def test_virtual_services_of_a_gateway_may_share_a_host() -> None:
    server = {"port": {"number": 80, "name": "http", "protocol": "HTTP"}, "hosts": ["*"]}
    pair = [
        _istio("VirtualService", name, hosts=["a.com"], gateways=["edge"], http=[_route("web")]) for name in ("a", "b")
    ]

    assert _found(_service(), _istio("Gateway", "edge", servers=[server]), *pair) == []


def test_what_cannot_be_read_is_left_to_lint() -> None:
    broken = _istio("VirtualService", "a")
    broken["spec"] = {"hosts": 1}

    assert _found(broken, {"apiVersion": "v1", "kind": "Service", "spec": 1}) == []
