"""The services of the mesh: hosts and ports, whoever answers there."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from meshsim.api.core import EndpointSlice, Service, ServicePort
from meshsim.api.networking import ServiceEntry
from meshsim.mesh.kept import Kept
from meshsim.mesh.names import DEFAULT_NAMESPACE, service_host
from meshsim.mesh.steps import Steps

_NOT_HTTP: Final = frozenset(("tcp", "tls", "https", "mongo", "redis", "mysql", "udp"))


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
    export_to: tuple[str, ...] = ()
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
    protocol = port.app_protocol or port.name.partition("-")[0]
    return port.protocol == "TCP" and protocol.lower() not in _NOT_HTTP


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
            export_to=spec.export_to,
        )
        for host in spec.hosts
    )
