"""The services that a proxy's workload may call, and the names by which it may."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from meshsim.mesh.identity import Identity
from meshsim.mesh.kept import Kept
from meshsim.mesh.services import MeshService
from meshsim.mesh.steps import STRIDE, Steps


@dataclass(frozen=True, slots=True)
class Reachable:
    """The services that a proxy sees, by host, and the first HTTP port of whoever has a name."""

    services: Mapping[str, MeshService]
    first_ports: Mapping[str, int]


def compile_reachable(services: Sequence[MeshService], proxy: Identity, kept: Kept) -> Steps[Reachable]:
    """What that proxy sees of the mesh."""
    first_ports: dict[str, int] = {}
    for number, own in enumerate((yield from kept.each("ports", partial(_first_ports, proxy), services))):
        if not number % STRIDE:
            yield
        first_ports.update(own)
    return Reachable({service.host: service for service in services}, first_ports)


def _first_ports(proxy: Identity, service: MeshService) -> dict[str, int]:
    numbers = http_ports(service)
    return dict.fromkeys(domains(service, proxy), numbers[0]) if numbers else {}


def http_ports(service: MeshService) -> list[int]:
    """The ports on which a service speaks HTTP."""
    return [port.number for port in service.ports if port.is_http]


def domains(service: MeshService, proxy: Identity) -> Iterable[str]:
    """The names by which a proxy's workload may call a service."""
    absolute = f"{service.host}."
    if not service.short_name:
        return (service.host, absolute, *service.addresses)
    short, namespace = service.short_name, service.namespace
    bare = (short,) if namespace == proxy.namespace else ()
    qualified = f"{short}.{namespace}"
    return (service.host, absolute, *bare, f"{qualified}.svc", qualified, *service.addresses)
