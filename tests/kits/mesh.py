"""Meshes for tests, written in YAML: compiled, and asked where requests go."""

from collections.abc import Sequence

from meshsim.api.validate.schemas import schema_of
from meshsim.http1.fields import read_request_fields
from meshsim.mesh.compile import MeshObjects, ProxySpec, Snapshot, compile_snapshot
from meshsim.mesh.identity import ListenerSpec, Role
from meshsim.mesh.request import Request
from meshsim.mesh.route import Route, RouteTable
from meshsim.proxy.configuration.files import read_mesh_texts

SERVICES = """
apiVersion: v1
kind: Service
metadata: {name: reviews}
spec: {ports: [{name: http, port: 9080}]}
---
apiVersion: v1
kind: Service
metadata: {name: ratings}
spec: {ports: [{name: http, port: 9080}]}
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: gw}
spec:
  selector: {istio: ingressgateway}
  servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ["*"]}]
"""

# The schemas are read from a file once: here, and not in the loop of whichever test comes first.
schema_of("networking.istio.io", "Gateway")

GATEWAY = ListenerSpec(80, Role.GATEWAY)
SIDECAR = ListenerSpec(9080, Role.SIDECAR)


def objects(*texts: str) -> MeshObjects:
    """The objects of YAML texts; the first is the oldest."""
    return read_mesh_texts([(text, "mesh.yaml") for text in texts], lambda _: None)


def snapshot(*texts: str, spec: ProxySpec | None = None) -> Snapshot:
    """What a proxy makes of them."""
    return compile_snapshot(objects(*texts), spec or ProxySpec(listeners=(GATEWAY,)))


def rules(http: str, *, host: str = "reviews.example.com", gateways: str = "[gw]") -> str:
    """A VirtualService with these rules, written as the lines of `http`, indented by two."""
    return (
        "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: vs}\n"
        f'spec:\n  hosts: ["{host}"]\n  gateways: {gateways}\n  http:\n{http}'
    )


def table(*texts: str, listener: ListenerSpec = GATEWAY) -> RouteTable:
    """The route table of a listener, the usual services and a gateway for all hosts included."""
    return snapshot(SERVICES, *texts, spec=ProxySpec(listeners=(listener,))).tables[0]


def request(
    target: str = "/",
    host: str = "reviews.example.com",
    *,
    method: str = "GET",
    headers: Sequence[tuple[str, str]] = (),
    source_ip: str = "127.0.0.1",
) -> Request:
    """A request as the mesh sees it."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in (("host", host), *headers))
    fields = read_request_fields(lines.encode("latin-1"))
    return Request(method.encode(), target.encode(), host.encode(), fields, b"http", source_ip.encode())


def route_of(routes: RouteTable, asked: Request) -> Route | None:
    """The route that takes a request, None where it gets a 404."""
    host = routes.find(asked.authority)
    return None if host is None else host.route(asked)


def cluster_of(routes: RouteTable, asked: Request) -> str | None:
    """The cluster that a request goes to when chance says 0, None where it goes nowhere."""
    route = route_of(routes, asked)
    return None if route is None or route.reply is not None else route.pick(lambda: 0.0).cluster
