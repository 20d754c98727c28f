"""Delegates: merged into their roots, matches ANDed, conflicts dropped."""

import pytest

from meshsim.mesh.virtualservices import ready
from tests.kits.mesh import cluster_of, objects, request, table

_ROOT = """
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: root}
spec:
  hosts: [reviews.example.com]
  gateways: [gw]
  http:
  - match: [{uri: {prefix: /rev}}]
    name: outer
    delegate: {name: d1}
    timeout: 5s
  - match: [{uri: {prefix: /missing}}]
    delegate: {name: nosuch}
  - route: [{destination: {host: rest}}]
"""
_DELEGATE = """
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: d1}
spec:
  http:
  - match: [{uri: {prefix: /rev/v2}, headers: {x: {exact: "1"}}}]
    name: inner
    route: [{destination: {host: v2}}]
  - match: [{uri: {prefix: /other}}]
    route: [{destination: {host: never}}]
  - route: [{destination: {host: v1}}]
"""


@pytest.mark.parametrize(
    ("target", "headers", "to"),
    [
        ("/rev/v2/x", [("x", "1")], "v2"),
        ("/rev/v2/x", [], "v1"),
        ("/rev", [], "v1"),
        ("/other", [], "rest"),
        ("/missing", [], "rest"),
    ],
)
def test_a_delegates_rules_stand_in_the_place_of_the_roots(
    target: str, headers: list[tuple[str, str]], to: str
) -> None:
    cluster = cluster_of(table(_ROOT, _DELEGATE), request(target, headers=headers))
    assert cluster == f"outbound|80||{to}.default.svc.cluster.local"


def test_names_are_joined_and_what_a_delegate_lacks_is_inherited() -> None:
    (root,) = ready(objects(_ROOT, _DELEGATE).virtual_services)
    assert [rule.name for rule in root.spec.http] == ["outer-inner", "outer", ""]
    assert [rule.timeout for rule in root.spec.http] == ["5s", "5s", None]


@pytest.mark.parametrize(
    ("outer", "inner"),
    [
        ("{uri: {exact: /rev}}", "{uri: {prefix: /rev}}"),
        ("{uri: {regex: '/rev.*'}}", "{uri: {prefix: /rev}}"),
        ("{uri: {prefix: /rev}}", "{uri: {regex: '/rev.*'}}"),
        ("{uri: {prefix: /rev}, ignoreUriCase: true}", "{uri: {prefix: /rev/a}}"),
        ("{port: 80}", "{port: 81}"),
        ("{sourceLabels: {a: b}}", "{sourceLabels: {a: c}}"),
        ("{sourceNamespace: a}", "{sourceNamespace: b}"),
        ("{gateways: [gw]}", "{gateways: [gw, other]}"),
        ("{headers: {x: {exact: a}}}", "{headers: {x: {exact: b}}}"),
    ],
)
def test_a_match_outside_the_roots_is_a_conflict(outer: str, inner: str) -> None:
    root = (
        "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: root}\n"
        f"spec: {{hosts: [a.test], http: [{{match: [{outer}], delegate: {{name: d}}}}]}}"
    )
    delegate = (
        "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: d}\n"
        f"spec: {{http: [{{match: [{inner}], route: [{{destination: {{host: a}}}}]}}]}}"
    )
    (merged,) = ready(objects(root, delegate).virtual_services)
    assert merged.spec.http == ()


def test_a_delegate_that_is_not_exported_takes_only_its_rule_away() -> None:
    hidden = _DELEGATE.replace("{name: d1}", "{name: d1, namespace: ns2}").replace("spec:", 'spec:\n  exportTo: ["."]')
    root = _ROOT.replace("{name: d1}", "{name: d1, namespace: ns2}")
    assert cluster_of(table(root, hidden), request("/rev")) == "outbound|80||rest.default.svc.cluster.local"
