"""The services of the mesh: hosts and ports, whoever answers there."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, TypeVar

from meshsim.api.core import EndpointSlice, Service, ServicePort
from meshsim.api.networking import ServiceEntry
from meshsim.mesh.kept import Kept
from meshsim.mesh.names import DEFAULT_NAMESPACE, is_visible, service_host
from meshsim.mesh.steps import Steps

S = TypeVar("S", Service, ServiceEntry)

_NOT_HTTP: Final = frozenset(("tcp", "tls", "https", "mongo", "redis", "mysql", "udp", "kubernetes.io/wss"))
_HTTP: Final = frozenset(("http", "http2", "grpc", "kubernetes.io/h2c", "kubernetes.io/ws"))
_NEVER_SNIFFED: Final = frozenset((25, 53, 3306, 27017))
"""Ports that are TCP unless their protocol is told."""
_EXPORT_TO: Final = "networking.istio.io/exportTo"


@dataclass(frozen=True, slots=True)
class MeshPort:
    """A port of a service."""

    number: int
    name: str
    is_http: bool


@dataclass(frozen=True, slots=True)
class MeshService:
    """A host that the mesh knows. `name` is how metrics call it."""

    host: str
    namespace: str
    name: str
    ports: tuple[MeshPort, ...]
    addresses: tuple[str, ...] = ()
    short_name: str = ""
    """The Service's own name; empty for entries."""

    def port(self, number: int) -> MeshPort | None:
        """The port of that number."""
        return next((port for port in self.ports if port.number == number), None)

    def serves_http(self, number: int) -> bool:
        """Whether HTTP is spoken on that port."""
        port = self.port(number)
        return port is not None and port.is_http


def compile_services(
    services: Iterable[Service], entries: Iterable[ServiceEntry], kept: Kept
) -> Steps[tuple[MeshService, ...]]:
    """Every service, once for each host: the first stays. Both are given oldest first.

    One that is as before is the same object, whatever else of its Service has changed.
    """
    by_host: dict[str, MeshService] = {}
    for service in (yield from kept.each("services", _of_service, services)):
        by_host.setdefault(service.host, service)
    for listed in (yield from kept.each("entries", _of_entry, entries)):
        for service in listed:
            by_host.setdefault(service.host, service)
    return tuple(kept.as_before(("service", host), service) for host, service in by_host.items())


def seen_by(namespace: str, objects: Iterable[S]) -> list[S]:
    """The Services or ServiceEntries that are exported to a namespace; to its proxies there are no others."""
    return [one for one in objects if is_visible(_exported_to(one), namespace_of(one), namespace)]


def _exported_to(obj: Service | ServiceEntry) -> tuple[str, ...]:
    if isinstance(obj, ServiceEntry):
        return obj.spec.export_to
    listed = obj.metadata.annotations.get(_EXPORT_TO, "")
    return tuple(entry.strip() for entry in listed.split(",") if entry.strip())


def namespace_of(obj: Service | EndpointSlice | ServiceEntry) -> str:
    """The namespace, `default` when the object names none."""
    return obj.metadata.namespace or DEFAULT_NAMESPACE


def _of_service(service: Service) -> MeshService:
    name, namespace, vip = service.metadata.name, namespace_of(service), service.spec.cluster_ip
    return MeshService(
        host=service_host(name, namespace),
        namespace=namespace,
        name=name,
        ports=tuple(MeshPort(port.port, port.name, _is_http(port)) for port in service.spec.ports),
        addresses=(vip,) if vip and vip != "None" else (),
        short_name=name,
    )


def _is_http(port: ServicePort) -> bool:
    """Whether a port is HTTP: by its protocol, else by its name's first word, else by what comes there."""
    protocol = (port.app_protocol or port.name).lower()
    word = protocol.partition("-")[0]
    if port.protocol != "TCP" or word in _NOT_HTTP:
        return False
    return word in _HTTP or port.port not in _NEVER_SNIFFED


def _of_entry(entry: ServiceEntry) -> tuple[MeshService, ...]:
    spec = entry.spec
    ports = tuple(MeshPort(port.number, port.name, port.protocol.lower() not in _NOT_HTTP) for port in spec.ports)
    return tuple(
        MeshService(
            host=host.lower(),
            namespace=namespace_of(entry),
            name=host.lower(),
            ports=ports,
            addresses=tuple(address for address in spec.addresses if "/" not in address),
        )
        for host in spec.hosts
    )
