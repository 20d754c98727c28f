"""Which routes a host has, on a gateway, on a sidecar and on the listener that is both."""

import pytest

from meshsim.api.decode import FieldError, Object
from meshsim.api.networking import Retries
from meshsim.mesh.compile import ProxySpec
from meshsim.mesh.identity import Identity, ListenerSpec, MeshConfig, Role, mesh_config
from tests.kits.mesh import SERVICES, SIDECAR, cluster_of, request, route_of, rules, snapshot, table

_REVIEWS = "outbound|9080||reviews.default.svc.cluster.local"
_RATINGS = "outbound|9080||ratings.default.svc.cluster.local"
_TO_REVIEWS = "  - route: [{destination: {host: reviews}}]\n"
_EITHER = ListenerSpec()


def _vs(name: str, hosts: str, to: str, *, gateways: str = "[gw]", match: str = "", extra: str = "") -> str:
    condition = f"match: [{match}], " if match else ""
    return (
        f"apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: {name}}}\nspec:\n"
        f"  hosts: {hosts}\n  gateways: {gateways}\n{extra}"
        f"  http: [{{{condition}route: [{{destination: {{host: {to}}}}}]}}]\n"
    )


@pytest.mark.parametrize(
    ("host", "to"),
    [
        ("a.example.com", "exact"),
        ("A.Example.COM:8080", "exact"),
        ("x.example.com", "wild"),
        ("x.b.example.com", "longer"),
        ("example.com", None),
        ("a.example.com.", None),
    ],
)
def test_an_exact_host_wins_over_the_longest_wildcard(host: str, to: str | None) -> None:
    routes = table(
        _vs("v1", '["*.example.com"]', "wild"),
        _vs("v2", "[a.example.com]", "exact"),
        _vs("v3", '["*.b.example.com"]', "longer"),
    )
    expected = None if to is None else f"outbound|80||{to}.default.svc.cluster.local"
    assert cluster_of(routes, request(host=host)) == expected


def test_there_is_no_fall_through_to_a_less_specific_host() -> None:
    routes = table(_vs("v1", '["*"]', "reviews"), _vs("v2", "[a.test]", "ratings", match="{uri: {prefix: /only}}"))
    assert cluster_of(routes, request("/only", "a.test")) == _RATINGS
    assert cluster_of(routes, request("/other", "a.test")) is None
    assert cluster_of(routes, request("/other", "b.test")) == _REVIEWS


def test_rules_after_a_catch_all_do_not_exist() -> None:
    routes = table(
        rules(
            "  - match: [{uri: {regex: '.*'}}]\n    route: [{destination: {host: reviews}}]\n"
            "  - match: [{uri: {prefix: /z}}]\n    route: [{destination: {host: ratings}}]\n"
        )
    )
    assert cluster_of(routes, request("/z")) == _REVIEWS
    virtual_host = routes.find(b"reviews.example.com")
    assert virtual_host is not None
    assert len(virtual_host.routes) == 1


def test_a_gateway_merges_a_hosts_virtual_services_and_moves_catch_alls_last() -> None:
    routes = table(
        _vs("older", "[a.test]", "reviews"), _vs("younger", "[a.test]", "ratings", match="{uri: {prefix: /c}}")
    )
    assert cluster_of(routes, request("/c", "a.test")) == _RATINGS
    assert cluster_of(routes, request("/", "a.test")) == _REVIEWS


def test_a_sidecar_takes_only_the_oldest() -> None:
    older = _vs("older", "[reviews]", "reviews", gateways="[mesh]", match="{uri: {prefix: /a}}")
    younger = _vs("younger", "[reviews]", "ratings", gateways="[mesh]")
    routes = table(older, younger, listener=SIDECAR)
    assert cluster_of(routes, request("/a", "reviews")) == _REVIEWS
    assert cluster_of(routes, request("/b", "reviews")) is None


@pytest.mark.parametrize(
    "host",
    ["reviews", "reviews:9080", "reviews.default", "reviews.default.svc", "reviews.default.svc.cluster.local",
     "reviews.default.svc.cluster.local.", "REVIEWS"],
)  # fmt: skip
def test_a_sidecar_knows_a_service_by_all_its_names(host: str) -> None:
    assert cluster_of(table(listener=SIDECAR), request(host=host)) == _REVIEWS


def test_a_host_that_nobody_knows_passes_through_a_sidecar_or_is_blocked() -> None:
    route = route_of(table(listener=SIDECAR), request(host="nosuch.test"))
    assert route is not None
    assert (route.name, route.pick(lambda: 0.0).cluster) == ("allow_any", "PassthroughCluster")


def test_a_virtual_service_without_gateways_is_the_meshs() -> None:
    vs = rules(_TO_REVIEWS, host="m.test", gateways="[]")
    assert cluster_of(table(vs), request(host="m.test")) is None
    assert cluster_of(table(vs, listener=ListenerSpec(80, Role.SIDECAR)), request(host="m.test")) is not None


def test_server_hosts_name_the_namespaces_they_admit() -> None:
    gateway = (
        "apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {name: narrow}\nspec:\n  servers:\n"
        '  - {port: {number: 80, protocol: HTTP}, hosts: ["*.example.com", "ns2/only.test", "./dot.test"]}\n'
    )
    routes = table(
        gateway, _vs("v", '[a.example.com, other.com, only.test, dot.test, "*"]', "reviews", gateways="[narrow]")
    )
    found = [host for host in ("a.example.com", "other.com", "only.test", "dot.test") if routes.find(host.encode())]
    assert found == ["a.example.com", "dot.test"]


def test_an_https_redirect_takes_every_host_of_its_server() -> None:
    gateway = (
        "apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {name: redirects}\nspec:\n  servers:\n"
        '  - {port: {number: 80, protocol: HTTP}, hosts: ["*.example.com"], tls: {httpsRedirect: true}}\n'
    )
    found = table(gateway).find(b"zzz.example.com")
    assert found is not None
    assert found.redirects_to_https


def test_matches_are_chosen_by_gateway_or_else_by_source() -> None:
    vs = rules(
        "  - match: [{gateways: [mesh]}]\n    route: [{destination: {host: mesh}}]\n"
        "  - match: [{gateways: [gw], sourceLabels: {app: x}, uri: {prefix: /g}}]\n"
        "    route: [{destination: {host: gateway}}]\n"
        "  - match: [{sourceLabels: {app: x}, uri: {prefix: /s}}]\n    route: [{destination: {host: labels}}]\n"
        "  - match: [{port: 8080, uri: {prefix: /p}}]\n    route: [{destination: {host: port}}]\n"
        "  - route: [{destination: {host: rest}}]\n",
        gateways="[gw, mesh]",
    )
    routes = table(vs)
    names = [cluster_of(routes, request(path)) for path in ("/g", "/s", "/p")]
    assert [name.split("|")[3].split(".")[0] for name in names if name] == ["gateway", "rest", "rest"]


def test_a_port_that_is_not_named_is_the_services_only_one_for_a_gateway() -> None:
    other = "apiVersion: v1\nkind: Service\nmetadata: {name: other, namespace: ns2}\nspec: {ports: [{port: 8000}]}"
    vs = rules("  - route: [{destination: {host: other.ns2.svc.cluster.local}}]\n", gateways="[gw, mesh]",
               host="reviews.default.svc.cluster.local")  # fmt: skip
    gateway = cluster_of(table(other, vs), request(host="reviews.default.svc.cluster.local"))
    assert gateway == "outbound|8000||other.ns2.svc.cluster.local"
    # A sidecar finds only services that have the listener's own port.
    sidecar = cluster_of(table(other, vs, listener=SIDECAR), request(host="reviews"))
    assert sidecar == "outbound|9080||other.ns2.svc.cluster.local"


def test_weights_leave_out_zeros_and_need_no_hundred() -> None:
    vs = rules("  - route:\n    - {destination: {host: reviews}, weight: 300}\n    - {destination: {host: ratings}}\n")
    route = route_of(table(vs), request())
    assert route is not None
    assert route.weighted is not None
    assert [(destination.cluster, weight) for destination, weight in route.weighted] == [(_REVIEWS, 300)]


def test_a_single_destination_needs_no_weight() -> None:
    route = route_of(table(rules("  - route: [{destination: {host: reviews}, weight: 0}]\n")), request())
    assert route is not None
    assert route.pick(lambda: 0.5).cluster == _REVIEWS


def test_a_route_without_features_is_plain_and_one_with_any_is_not() -> None:
    plain = route_of(table(rules(_TO_REVIEWS)), request())
    assert plain is not None
    assert plain.simple
    assert plain.destination is not None
    assert plain.destination.plain
    for feature in ("rewrite: {uri: /x}", "rewrite: {authority: x}", "headers: {request: {set: {a: b}}}"):
        route = route_of(table(rules(f"  - {feature}\n    route: [{{destination: {{host: reviews}}}}]\n")), request())
        assert route is not None
        assert route.destination is not None
        assert not route.destination.plain


def test_the_listener_for_everything_is_gateway_first_and_sidecar_for_what_no_gateway_admits() -> None:
    gateway = (
        "apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {name: edge}\nspec:\n  servers:\n"
        '  - {port: {number: 8443, protocol: HTTP}, hosts: ["*.example.com"]}\n'
    )
    services = SERVICES.partition("apiVersion: networking")[0].rstrip("-\n ")
    texts = (services, gateway, _vs("v", "[a.example.com]", "reviews", gateways="[edge]"))
    routes = snapshot(*texts, spec=ProxySpec(listeners=(_EITHER,))).tables[0]
    edge = routes.find(b"a.example.com")
    assert edge is not None
    assert (edge.role, edge.port) == (Role.GATEWAY, 8443)
    assert routes.find(b"b.example.com") is None
    for host in ("ratings", "ratings:9080"):
        meshed = routes.find(host.encode())
        assert meshed is not None
        assert (meshed.role, meshed.port) == (Role.SIDECAR, 9080)


def test_a_service_in_another_namespace_has_no_bare_name() -> None:
    other = "apiVersion: v1\nkind: Service\nmetadata: {name: other, namespace: ns2}\nspec: {ports: [{port: 9080}]}"
    routes = table(other, listener=SIDECAR)
    assert cluster_of(routes, request(host="other.ns2")) == "outbound|9080||other.ns2.svc.cluster.local"
    assert cluster_of(routes, request(host="other")) == "PassthroughCluster"


def test_export_to_hides_a_virtual_service_from_other_namespaces() -> None:
    hidden = _vs("v", "[reviews.default.svc.cluster.local]", "ratings", gateways="[mesh]", extra='  exportTo: ["."]\n')
    hidden = hidden.replace("{name: v}", "{name: v, namespace: ns2}")
    assert cluster_of(table(hidden, listener=SIDECAR), request(host="reviews")) == _REVIEWS


def test_a_proxy_with_labels_is_ruled_by_the_gateways_that_select_it() -> None:
    spec = ProxySpec(proxy=Identity(labels={"istio": "other"}), listeners=(ListenerSpec(80, Role.GATEWAY),))
    routes = snapshot(SERVICES, rules(_TO_REVIEWS), spec=spec).tables[0]
    assert routes.find(b"reviews.example.com") is None


def test_a_rule_that_leads_nowhere_is_left_out() -> None:
    routes = table(rules("  - match: [{uri: {prefix: /a}}]\n    timeout: 1s\n" + _TO_REVIEWS))
    assert cluster_of(routes, request("/a")) == _REVIEWS


def test_weights_that_are_all_zero_count_alike() -> None:
    vs = rules("  - route:\n    - {destination: {host: reviews}}\n    - {destination: {host: ratings}, weight: 0}\n")
    route = route_of(table(vs), request())
    assert route is not None
    assert [route.pick(lambda: 0.1).cluster, route.pick(lambda: 0.9).cluster] == [_REVIEWS, _RATINGS]


def test_a_sidecars_host_goes_to_the_oldest_that_has_routes_there() -> None:
    elsewhere = _vs("older", "[reviews]", "reviews", gateways="[mesh]", match="{port: 1}")
    here = _vs("younger", "[reviews]", "ratings", gateways="[mesh]")
    assert cluster_of(table(elsewhere, here, listener=SIDECAR), request(host="reviews")) == _RATINGS


def test_hosts_that_are_no_service_come_along_with_those_that_are() -> None:
    both = _vs("vs", "[reviews, foo.test]", "reviews", gateways="[mesh]")
    assert cluster_of(table(both, listener=SIDECAR), request(host="foo.test")) == _REVIEWS
    alone = _vs("vs", "[foo.test]", "reviews", gateways="[mesh]")
    outside = cluster_of(table(alone, listener=SIDECAR), request(host="foo.test"))
    assert outside == "PassthroughCluster"
    on_80 = ListenerSpec(80, Role.SIDECAR)
    assert cluster_of(table(alone, listener=on_80), request(host="foo.test")) == (
        "outbound|80||reviews.default.svc.cluster.local"
    )


def test_a_wildcard_that_matches_a_service_is_no_host_of_its_own() -> None:
    wildcard = _vs("vs", '["*.default.svc.cluster.local"]', "ratings", gateways="[mesh]")
    routes = table(wildcard, listener=SIDECAR)
    assert cluster_of(routes, request(host="reviews")) == _RATINGS
    assert cluster_of(routes, request(host="nosuch.default.svc.cluster.local")) == "PassthroughCluster"


def test_an_entrys_host_may_end_with_a_dot_at_a_sidecar() -> None:
    entry = (
        "apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {name: se}\nspec:\n"
        "  hosts: [api.test]\n  ports: [{number: 9080, name: http, protocol: HTTP}]\n  resolution: STATIC\n"
        "  endpoints: [{address: 127.0.0.9}]\n"
    )
    assert cluster_of(table(entry, listener=SIDECAR), request(host="api.test.")) == "outbound|9080||api.test"


def test_a_gateway_redirects_a_host_of_a_namespace_only_when_a_virtual_service_has_it() -> None:
    gateway = (
        "apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {name: tls}\nspec:\n  servers:\n"
        "  - {port: {number: 80, name: http, protocol: HTTP}, hosts: [default/a.test, b.test], "
        "tls: {httpsRedirect: true}}\n"
    )
    services = SERVICES.partition("---\napiVersion: networking")[0]
    spec = ProxySpec(listeners=(ListenerSpec(80, Role.GATEWAY),))
    bare = snapshot(services, gateway, spec=spec).tables[0]
    assert bare.find(b"a.test") is None
    assert (found := bare.find(b"b.test")) is not None
    assert found.redirects_to_https
    routed = snapshot(services, gateway, _vs("vs", "[a.test]", "reviews", gateways="[tls]"), spec=spec).tables[0]
    assert (found := routed.find(b"a.test")) is not None
    assert found.redirects_to_https


def test_a_routes_name_is_the_rules_and_the_matchs() -> None:
    routes = table(
        rules(
            "  - match: [{name: m1, uri: {exact: /1}}]\n    route: [{destination: {host: reviews}}]\n"
            "  - name: r\n    match: [{name: m2, uri: {exact: /2}}]\n    route: [{destination: {host: reviews}}]\n"
        )
    )
    found = [route_of(routes, request(path)) for path in ("/1", "/2")]
    assert [route.name for route in found if route] == [".m1", "r.m2"]


def test_a_rewritten_authority_wins_over_one_that_is_set() -> None:
    rule = (
        "  - rewrite: {authority: rewritten.test}\n"
        "    route: [{destination: {host: reviews}, headers: {request: {set: {host: set.test}}}}]\n"
    )
    route = route_of(table(rules(rule)), request())
    assert route is not None
    assert route.pick(lambda: 0.0).authority == b"rewritten.test"


def test_what_the_mesh_config_says_of_retries_holds_for_routes_that_name_none() -> None:
    mesh = MeshConfig(default_http_retry_policy=Retries(attempts=7, retry_on="5xx"))
    spec = ProxySpec(listeners=(SIDECAR,), mesh=mesh)
    named = "  - route: [{destination: {host: ratings}}]\n    retries: {attempts: 1}\n"
    routes = snapshot(SERVICES, rules(named, host="ratings", gateways="[mesh]"), spec=spec).tables[0]
    found = [route_of(routes, request(host=host)) for host in ("reviews", "ratings")]
    assert [route.retries.attempts for route in found if route] == [7, 1]


@pytest.mark.parametrize(
    ("config", "path", "reason"),
    [
        (
            {"outboundTrafficPolicy": {"mode": "REGISTRY"}},
            "outboundTrafficPolicy.mode",
            "Invalid enum value 'REGISTRY'",
        ),
        (
            {"pathNormalization": {"normalization": "ALL"}},
            "pathNormalization.normalization",
            "Invalid enum value 'ALL'",
        ),
        ({"connectTimeout": "5x"}, "connectTimeout", '"5x" is not a duration'),
        ({"defaultHttpRetryPolicy": {"backoff": "1"}}, "defaultHttpRetryPolicy.backoff", '"1" is not a duration'),
    ],
)
def test_a_mesh_config_that_cannot_be_is_named_by_its_field(config: Object, path: str, reason: str) -> None:
    with pytest.raises(FieldError) as refused:
        mesh_config(config)
    assert refused.value.path == path
    assert refused.value.message.startswith(reason)
