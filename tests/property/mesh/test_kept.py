"""A compilation that builds on the ones before gives what one from nothing gives."""

from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from meshsim.mesh.compile import Compiler, MeshObjects, ProxySpec, Snapshot, compile_snapshot
from meshsim.mesh.identity import ListenerSpec, Role
from meshsim.mesh.route import Route, RouteDestination, RouteTable, VirtualHost
from meshsim.mesh.steps import finished
from tests.kits.mesh import objects, request

pytestmark = pytest.mark.property

_SPEC = ProxySpec(
    listeners=(
        ListenerSpec(),
        ListenerSpec(80, Role.GATEWAY),
        ListenerSpec(9080, Role.SIDECAR),
        ListenerSpec(8080, Role.EITHER),
    )
)
_ISTIO = "apiVersion: networking.istio.io/v1\n"
_SERVICE = "apiVersion: v1\nkind: Service\nmetadata: {{name: {0}, namespace: {1}}}\nspec: {2}\n"
_SLICE = """
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: a-1, namespace: default, labels: {{kubernetes.io/service-name: {1}}}}}
ports: [{{name: http, port: 9080}}]
endpoints: [{{addresses: ["127.0.0.{0}"], targetRef: {{kind: Pod, name: a-1, namespace: default}}}}]
"""
_POD = "apiVersion: v1\nkind: Pod\nmetadata: {{name: a-1, namespace: default, labels: {{version: v{0}}}}}\n"
_RULE = (
    _ISTIO
    + """
kind: DestinationRule
metadata: {{name: {1}, namespace: {2}}}
spec:
  host: {3}
  trafficPolicy: {{loadBalancer: {{consistentHash: {{httpHeaderName: x-{0}}}}}}}
  subsets: [{{name: v1, labels: {{version: v{0}}}}}]
"""
)
_ROUTE = _ISTIO + "kind: VirtualService\nmetadata: {{name: {0}, namespace: default}}\nspec:\n  {1}\n"
_GATEWAY = (
    _ISTIO
    + """
kind: Gateway
metadata: {{name: {0}, namespace: default}}
spec: {{servers: [{{port: {{number: {1}, name: http, protocol: HTTP}}, hosts: [{2}]}}]}}
"""
)
_TO_A = "http: [{timeout: 1s, route: [{destination: {host: a, subset: v1}}]}]"

_SLOTS: dict[str, tuple[str, ...]] = {
    "service a": tuple(
        _SERVICE.format("a", "default", spec)
        for spec in (
            "{ports: [{name: http, port: 80}]}",
            "{selector: {app: b}, ports: [{name: http, port: 80}]}",
            "{ports: [{name: http, port: 9080}, {name: http-2, port: 80}], clusterIP: 10.0.0.1}",
            "{ports: [{name: tcp, port: 9080}]}",
        )
    ),
    "service b": tuple(
        _SERVICE.format("b", namespace, "{ports: [{name: http, port: 9080}]}") for namespace in ("default", "other")
    ),
    "slice": (_SLICE.format(1, "a"), _SLICE.format(2, "a"), _SLICE.format(1, "b")),
    "pod": (_POD.format(1), _POD.format(2)),
    "rule": (
        _RULE.format(1, "r", "default", "a"),
        _RULE.format(2, "r", "default", "a"),
        _RULE.format(1, "r", "default", '"*.default.svc.cluster.local"'),
    ),
    "root rule": (_RULE.format(2, "root", "istio-system", "a.default.svc.cluster.local"),),
    "gateway": (
        _GATEWAY.format("edge", 80, '"*.example.com"'),
        _GATEWAY.format("edge", 80, '"*"'),
        _GATEWAY.format("edge", 8080, 'a.example.com, "b/*.example.com"'),
    ),
    "second gateway": (_GATEWAY.format("side", 8080, '"*"'), _GATEWAY.format("side", 80, "a.example.com")),
    "route": (
        _ROUTE.format("one", "{hosts: [a.example.com, a], gateways: [edge, mesh], " + _TO_A + "}"),
        _ROUTE.format("one", "{hosts: [a], " + _TO_A + "}"),
        _ROUTE.format("one", "{hosts: [a], http: [{delegate: {name: part}}, {route: [{destination: {host: b}}]}]}"),
    ),
    "second route": (
        _ROUTE.format("two", "{hosts: [a, b, a.other], http: [{route: [{destination: {host: b}}]}]}"),
        _ROUTE.format("two", '{hosts: ["*.default.svc.cluster.local", a.default], ' + _TO_A + "}"),
        _ROUTE.format("two", '{hosts: ["*.example.com"], gateways: [edge, side], ' + _TO_A + "}"),
        _ROUTE.format("two", '{hosts: ["*"], gateways: [mesh, edge], exportTo: ["."], ' + _TO_A + "}"),
    ),
    "delegate": (
        _ROUTE.format("part", "{http: [{match: [{uri: {prefix: /x}}], route: [{destination: {host: a}}]}]}"),
        _ROUTE.format("part", "{http: [{match: [{uri: {prefix: /y}}], route: [{destination: {host: b}}]}]}"),
    ),
    "entry": tuple(
        _ISTIO
        + "kind: ServiceEntry\nmetadata: {name: e, namespace: default}\n"
        + f"spec: {{hosts: [{host}], resolution: STATIC, ports: [{{number: 80, name: http, protocol: HTTP}}], "
        + "endpoints: [{address: 127.0.0.9}]}\n"
        for host in ("c.example.com", "a.default.svc.cluster.local")
    ),
}


@cache
def _read(slot: str, form: int) -> MeshObjects:
    return objects(_SLOTS[slot][form % len(_SLOTS[slot])])


def _fields(of: MeshObjects) -> dict[str, tuple[object, ...]]:
    names = ("services", "endpoint_slices", "pods", "virtual_services", "destination_rules", "gateways")
    return {name: getattr(of, name) for name in (*names, "service_entries")}


def _together(forms: dict[str, int], touched: str) -> MeshObjects:
    """What there is; an object that was touched says what it said and is another one."""
    together: dict[str, tuple[object, ...]] = {}
    for slot, form in forms.items():
        for name, listed in _fields(_read(slot, form)).items():
            fresh = tuple(structs.replace(each) if slot == touched else each for each in listed)  # type: ignore[type-var] # all of them are
            together[name] = together.get(name, ()) + fresh
    return MeshObjects(**together)  # type: ignore[arg-type] # each under its own name


_EDITS = st.lists(st.tuples(st.sampled_from(sorted(_SLOTS)), st.sampled_from((0, 1, 2, 3, None, "touch"))), max_size=12)


@given(st.dictionaries(st.sampled_from(sorted(_SLOTS)), st.integers(0, 3)), _EDITS)
def test_a_compilation_is_the_same_whatever_was_compiled_before(
    forms: dict[str, int], edits: list[tuple[str, int | str | None]]
) -> None:
    compiler = Compiler(_SPEC)
    for slot, edit in [("pod", 0), *edits]:
        if edit is None:
            forms.pop(slot, None)
        elif isinstance(edit, int):
            forms[slot] = edit
        now = _together(forms, slot if edit == "touch" else "")
        assert _seen(finished(compiler.compile(now))) == _seen(compile_snapshot(now, _SPEC))


def _seen(snapshot: Snapshot) -> object:
    """Everything of a configuration that can be compared."""
    return snapshot.clusters, [_table(table) for table in snapshot.tables]


def _table(table: RouteTable) -> object:
    return (
        table.role,
        table.port,
        {name: _host(host) for name, host in table.exact.items()},
        {name: _host(host) for name, host in table.suffixes.items()},
        table.suffix_lengths,
        table.star and _host(table.star),
        table.fallback and [table.fallback(name) for name in (b"a.example.com", b"elsewhere.test")],
    )


def _host(host: VirtualHost) -> object:
    return host.name, host.role, host.port, host.redirects_to_https, [_route(route) for route in host.routes]


_ASKED = tuple(request(path, headers=(("x-1", "a"), ("x-2", "b"))) for path in ("/x", "/y"))


def _route(route: Route) -> object:
    taken = [route.matches is None or route.matches(asked) for asked in _ASKED]
    return route.name, taken, route.timeout_s, route.retries, route.destination and _destination(route.destination)


def _destination(destination: RouteDestination) -> object:
    keys = [policy.key(asked) for policy in destination.hashes for asked in _ASKED]
    return destination.cluster, destination.tail, destination.plain, keys
