"""Delegates: merged into their roots, matches ANDed, conflicts dropped."""

import pytest

from meshsim.mesh.kept import Kept
from meshsim.mesh.steps import finished
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
    (root,) = (one.vs for one in finished(ready(objects(_ROOT, _DELEGATE).virtual_services, Kept())))
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
    (merged,) = (one.vs for one in finished(ready(objects(root, delegate).virtual_services, Kept())))
    assert merged.spec.http == ()


def test_a_delegate_that_is_not_exported_takes_only_its_rule_away() -> None:
    hidden = _DELEGATE.replace("{name: d1}", "{name: d1, namespace: ns2}").replace("spec:", 'spec:\n  exportTo: ["."]')
    root = _ROOT.replace("{name: d1}", "{name: d1, namespace: ns2}")
    assert cluster_of(table(root, hidden), request("/rev")) == "outbound|80||rest.default.svc.cluster.local"


def _merged(root_match: str, own_match: str, *, root: str = "", own: str = "") -> list[str]:
    """The rules' mirrors of a root with one delegate, by how many there are; [] when the delegate's rule is dropped."""
    head = "apiVersion: networking.istio.io/v1\nkind: VirtualService\n"
    text = (
        f"{head}metadata: {{name: root}}\nspec:\n  hosts: [a.test]\n  gateways: [gw]\n"
        f"  http: [{{match: [{root_match}], delegate: {{name: d}}{root}}}]\n"
    )
    route = "route: [{destination: {host: v1}}]"
    delegate = f"{head}metadata: {{name: d}}\nspec:\n  http: [{{match: [{own_match}], {route}{own}}}]\n"
    (merged,) = (one.vs for one in finished(ready(objects(text, delegate).virtual_services, Kept())))
    return [
        "+".join([rule.mirror.host] * (rule.mirror is not None) + [m.destination.host for m in rule.mirrors])
        if rule.mirror
        else ""
        for rule in merged.spec.http
    ]


@pytest.mark.parametrize(
    ("root", "own", "conflict"),
    [
        ("{headers: {x: {}}}", "{headers: {x: {exact: a}}}", True),
        ("{headers: {x: {prefix: a}}}", "{headers: {x: {}}}", True),
        ("{headers: {x: {prefix: a}}}", "{headers: {x: {prefix: ab}}}", False),
        ("{headers: {x: {prefix: a}}}", "{headers: {y: {exact: b}}}", False),
        ("{uri: {regex: /a}}", "{uri: {regex: /a}}", True),
        ("{uri: {exact: /a}}", "{uri: {exact: /a}}", False),
        ("{sourceNamespace: a}", "{method: {exact: GET}}", True),
        ("{sourceNamespace: a}", "{sourceNamespace: a}", False),
        ("{method: {exact: GET}}", "{sourceNamespace: a}", False),
        ("{port: 80}", "{port: 81}", True),
        ("{port: 80}", "{method: {exact: GET}}", False),
        ("{gateways: [gw]}", "{gateways: [gw, other]}", True),
        ("{gateways: [gw, other]}", "{gateways: [gw]}", False),
    ],
)
def test_a_delegates_match_has_to_lie_within_its_roots(root: str, own: str, conflict: bool) -> None:
    assert len(_merged(root, own)) == (0 if conflict else 1)


def test_each_form_of_mirror_is_inherited_by_itself() -> None:
    get = "{method: {exact: GET}}"
    root = ", mirror: {host: m1}, mirrors: [{destination: {host: m2}}]"
    assert _merged(get, get, root=root) == ["m1.default.svc.cluster.local+m2.default.svc.cluster.local"]
    own = ", mirrors: [{destination: {host: m3}}]"
    assert _merged(get, get, root=root, own=own) == ["m1.default.svc.cluster.local+m3.default.svc.cluster.local"]
