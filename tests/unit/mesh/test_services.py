"""Which services a proxy knows, and on which of their ports HTTP is spoken."""

import pytest

from meshsim.mesh.compile import ProxySpec, Snapshot
from meshsim.mesh.identity import Identity, ListenerSpec, Role
from tests.kits.mesh import snapshot

_SERVICE = """
apiVersion: v1
kind: Service
metadata: {{name: app, namespace: shop, annotations: {{networking.istio.io/exportTo: "{0}"}}}}
spec: {{ports: [{{name: http, port: 80}}]}}
"""
_ENTRY = """
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: {0}, namespace: {1}}}
spec:
  hosts: [app.example.com]
  exportTo: ["{2}"]
  resolution: STATIC
  ports: [{{number: 80, name: http, protocol: HTTP}}]
  endpoints: [{{address: {3}}}]
"""


def _seen_from(namespace: str, *texts: str) -> Snapshot:
    return snapshot(*texts, spec=ProxySpec(Identity(namespace), listeners=(ListenerSpec(80, Role.SIDECAR),)))


@pytest.mark.parametrize(
    ("exported_to", "namespace", "is_known"),
    [
        ("", "default", True),
        ("*", "default", True),
        (".", "default", False),
        (".", "shop", True),
        ("~", "shop", False),
        ("a, default", "default", True),
    ],
)
def test_a_service_is_known_where_it_is_exported_to(exported_to: str, namespace: str, is_known: bool) -> None:
    seen = _seen_from(namespace, _SERVICE.format(exported_to))

    assert ("outbound|80||app.shop.svc.cluster.local" in seen.clusters) is is_known
    assert (b"app.shop" in seen.tables[0].exact) is is_known


def test_of_two_entries_for_a_host_a_proxy_has_the_oldest_that_it_sees() -> None:
    seen = _seen_from(
        "default", _ENTRY.format("old", "shop", ".", "127.0.0.1"), _ENTRY.format("young", "shop", "*", "127.0.0.2")
    )

    assert [endpoint.ip for endpoint in seen.clusters["outbound|80||app.example.com"].endpoints] == ["127.0.0.2"]


@pytest.mark.parametrize(
    ("port", "is_http"),
    [
        ("{port: 80}", True),
        ("{port: 80, name: web}", True),
        ("{port: 80, name: HTTP2-x}", True),
        ("{port: 80, name: grpc-web}", True),
        ("{port: 80, name: tcp-http}", False),
        ("{port: 80, name: tcp, appProtocol: http}", True),
        ("{port: 80, name: http, appProtocol: tcp-x}", False),
        ("{port: 80, name: http, appProtocol: kubernetes.io/wss}", False),
        ("{port: 80, name: http, protocol: UDP}", False),
        ("{port: 3306, name: web}", False),
        ("{port: 3306, name: http-web}", True),
    ],
)
def test_a_ports_protocol_is_told_by_its_field_or_its_name_or_its_number(port: str, is_http: bool) -> None:
    text = "apiVersion: v1\nkind: Service\nmetadata: {name: app, namespace: default}\nspec: {ports: [" + port + "]}\n"
    number = 3306 if "3306" in port else 80
    spec = ProxySpec(listeners=(ListenerSpec(number, Role.SIDECAR),))

    assert (b"app" in snapshot(text, spec=spec).tables[0].exact) is is_http
