"""A compilation that builds on the one before gives what one from nothing gives."""

from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshsim.mesh.compile import Compiler, MeshObjects, ProxySpec, Snapshot, compile_snapshot
from meshsim.mesh.request import Request
from meshsim.mesh.steps import finished
from tests.kits.mesh import objects

pytestmark = pytest.mark.property

_GATEWAY = """
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: edge, namespace: default}
spec:
  servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ["*.example.com"]}]
"""
_KINDS = {
    "service": """
apiVersion: v1
kind: Service
metadata: {{name: app, namespace: default}}
spec: {{ports: [{{name: http, port: {0}}}]}}
""",
    "slice": """
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: app-1, namespace: default, labels: {{kubernetes.io/service-name: app}}}}
ports: [{{name: http, port: 9080}}]
endpoints: [{{addresses: ["127.0.0.{0}"], targetRef: {{kind: Pod, name: app-1, namespace: default}}}}]
""",
    "pod": """
apiVersion: v1
kind: Pod
metadata: {{name: app-1, namespace: default, labels: {{app: app, version: v{0}}}}}
""",
    "rule": """
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: app, namespace: default}}
spec:
  host: app
  trafficPolicy: {{loadBalancer: {{consistentHash: {{httpHeaderName: x-{0}}}}}}}
  subsets: [{{name: v1, labels: {{version: v{0}}}}}]
""",
    "route": """
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: app, namespace: default}}
spec:
  hosts: [app.example.com, app]
  gateways: [edge, mesh]
  http: [{{timeout: {0}s, route: [{{destination: {{host: app, subset: v1}}}}]}}]
""",
}


@given(st.lists(st.tuples(st.sampled_from(sorted(_KINDS)), st.integers(1, 3)), max_size=8))
def test_a_compilation_is_the_same_whatever_was_compiled_before(edits: list[tuple[str, int]]) -> None:
    spec = ProxySpec()
    compiler = Compiler(spec)
    parts = {kind: objects(text.format(1)) for kind, text in _KINDS.items()}
    gateway = objects(_GATEWAY)
    for kind, number in [("service", 1), *edits]:
        parts[kind] = objects(_KINDS[kind].format(number))
        now = _together(gateway, *parts.values())
        assert _seen(finished(compiler.compile(now))) == _seen(compile_snapshot(now, spec))


def _together(*parts: MeshObjects) -> MeshObjects:
    return MeshObjects(
        services=tuple(chain.from_iterable(part.services for part in parts)),
        endpoint_slices=tuple(chain.from_iterable(part.endpoint_slices for part in parts)),
        pods=tuple(chain.from_iterable(part.pods for part in parts)),
        virtual_services=tuple(chain.from_iterable(part.virtual_services for part in parts)),
        destination_rules=tuple(chain.from_iterable(part.destination_rules for part in parts)),
        gateways=tuple(chain.from_iterable(part.gateways for part in parts)),
    )


def _seen(snapshot: Snapshot) -> object:
    """What can be told of a configuration: its clusters, and where each host leads."""
    table = snapshot.tables[0]
    request = Request(b"GET", b"/", b"", _NO_FIELDS)
    routes = {name: host.route(request) for name, host in table.exact.items()}
    return snapshot.clusters, {
        name: route
        and (route.timeout_s, route.destination and (route.destination.cluster, len(route.destination.hashes)))
        for name, route in routes.items()
    }


class _Nothing:
    def values(self, name: bytes) -> tuple[bytes, ...]:
        return ()

    def first(self, name: bytes) -> bytes:
        return b""


_NO_FIELDS = _Nothing()
