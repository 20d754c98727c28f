"""Compiling again and again for one proxy."""

import gc
from dataclasses import replace

from msgspec import structs

from meshsim.mesh.compile import Compiler, ProxySpec, Snapshot
from meshsim.mesh.route import Route
from meshsim.mesh.steps import finished
from tests.kits.mesh import objects

_ROUTE = """
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: app-{0}, namespace: default}}
spec:
  hosts: [app-{0}]
  http: [{{timeout: 1s, match: [{{headers: {{x-user: {{exact: a}}}}}}], route: [{{destination: {{host: app-{0}}}}}]}}]
"""
_SERVICE = """
apiVersion: v1
kind: Service
metadata: {{name: app-{0}, namespace: default}}
spec: {{ports: [{{name: http, port: 80}}]}}
"""


def test_what_did_not_change_is_the_same_object_in_the_next_snapshot() -> None:
    compiler = Compiler(ProxySpec())
    both = objects(*(text.format(number) for number in (1, 2) for text in (_ROUTE, _SERVICE)))
    before = finished(compiler.compile(both))

    first, second = both.virtual_services
    changed = replace(both, virtual_services=(structs.replace(first), second))
    after = finished(compiler.compile(changed))

    def route(snapshot: Snapshot, host: bytes) -> Route:
        return snapshot.tables[0].exact[host].routes[0]

    assert route(after, b"app-1") is not route(before, b"app-1")
    assert route(after, b"app-2") is route(before, b"app-2")
    assert after.clusters is before.clusters


def test_a_snapshot_that_is_replaced_leaves_nothing_to_the_collector() -> None:
    compiler = Compiler(ProxySpec())
    given = objects(*(text.format(number) for number in range(30) for text in (_ROUTE, _SERVICE)))

    def change() -> None:
        routes = tuple(structs.replace(each) for each in given.virtual_services)
        finished(compiler.compile(replace(given, virtual_services=routes)))

    gc.collect()
    gc.disable()
    try:
        change()
        change()
        assert gc.collect() == 0
    finally:
        gc.enable()
