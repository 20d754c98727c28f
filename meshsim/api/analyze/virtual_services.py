"""VirtualServices against the rest of the mesh: hosts, ports, subsets, gateways, each other."""

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from meshsim.api.analyze.codes import (
    Found,
    conflicting_hosts,
    host_not_in_gateway,
    internal_gateway,
    not_found,
    port_needed,
    subset_without_effect,
)
from meshsim.api.analyze.mesh import EVERYWHERE, Item, Mesh, full_host, scopes
from meshsim.api.networking import (
    MESH_GATEWAY,
    Destination,
    HttpRoute,
    HttpRouteDestination,
    RouteDestination,
    TcpRoute,
    TlsRoute,
    VirtualService,
)
from meshsim.api.validate.names import hosts_overlap


class _Target(NamedTuple):
    path: str
    is_mirror: bool
    destination: Destination


def _targets(virtual_service: VirtualService) -> Iterator[_Target]:
    """Everything that it sends traffic to, in Istio's order."""
    spec = virtual_service.spec
    by_protocol: list[tuple[str, Sequence[TcpRoute | TlsRoute | HttpRoute]]]
    by_protocol = [("tcp", spec.tcp), ("tls", spec.tls), ("http", spec.http)]
    for protocol, routes in by_protocol:
        for rule, route in enumerate(routes):
            weighted: Sequence[HttpRouteDestination | RouteDestination] = route.route
            for index, one in enumerate(weighted):
                yield _Target(f"spec.{protocol}[{rule}].route[{index}].destination", False, one.destination)
    for rule, http in enumerate(spec.http):
        if http.mirror is not None:
            yield _Target(f"spec.http[{rule}].mirror", True, http.mirror)
        for index, mirror in enumerate(http.mirrors):
            yield _Target(f"spec.http[{rule}].mirrors[{index}].destination", True, mirror.destination)


def analyze_destinations(mesh: Mesh) -> Found:
    """Hosts that are not there, ports that are not theirs, ports that must be named."""
    for item in mesh.virtual_services:
        for path, is_mirror, destination in _targets(item.value):
            at, name = f"{path}.host", destination.host
            host = mesh.find_host(item.namespace, item.value.spec.export_to, name)
            if host is None:
                yield item.number, not_found(at, "mirror host" if is_mirror else "host", name)
            elif destination.port is None and len(host.ports) > 1:
                yield item.number, port_needed(at, name, host.ports)
            elif destination.port is not None and destination.port.number not in host.ports:
                yield item.number, not_found(at, "host:port", f"{name}:{destination.port.number}")


def analyze_subsets(mesh: Mesh) -> Found:
    """Subsets that no DestinationRule defines."""
    known = {
        (_name_of(item.namespace, item.value.spec.host), subset.name)
        for item in mesh.destination_rules
        for subset in item.value.spec.subsets
    }
    for item in mesh.virtual_services:
        for path, is_mirror, destination in _targets(item.value):
            wanted = _name_of(item.namespace, destination.host), destination.subset
            if destination.subset and wanted not in known:
                kind = f"{'mirror' if is_mirror else 'host'}+subset in destinationrule"
                yield item.number, not_found(f"{path}.host", kind, f"{destination.host}+{destination.subset}")


def _name_of(namespace: str, host: str) -> tuple[str, str]:
    """Namespace and name of a host of the cluster; any other host belongs to who names it."""
    labels = host.split(".")
    is_full = len(labels) == 5 and labels[2:] == ["svc", "cluster", "local"]
    return (labels[1], labels[0]) if is_full else (namespace, host)


def analyze_ingress_subsets(mesh: Mesh) -> Found:
    """Splits by subset that a gateway's own VirtualService goes past."""
    split = [
        (item, weighted.destination.host)
        for item in mesh.virtual_services
        for route in item.value.spec.http
        for weighted in route.route
        if weighted.destination.subset and weighted.destination.host in item.value.spec.hosts
    ]
    for item in mesh.virtual_services:
        for rule, route in enumerate(item.value.spec.http if item.value.spec.gateways else ()):
            for index, weighted in enumerate(route.route):
                path = f"spec.http[{rule}].route[{index}].destination.host"
                for other, host in split:
                    if not weighted.destination.subset and host == weighted.destination.host:
                        yield item.number, subset_without_effect(path, other.full_name, item.full_name)


def analyze_gateways(mesh: Mesh) -> Found:
    """Gateways that are not there or serve none of the hosts."""
    for item in mesh.virtual_services:
        for index, name in enumerate(item.value.spec.gateways):
            path = f"spec.gateways[{index}]"
            full_name = name if "/" in name else f"{item.namespace}/{name}"
            if name == MESH_GATEWAY:
                continue
            if _INTERNAL in name:
                yield item.number, internal_gateway(path, item.full_name, name)
                continue
            served = _hosts_of(full_name, item.namespace, mesh)
            if served is None:
                yield item.number, not_found(path, "gateway", name)
            if not any(hosts_overlap(host, own) for host in served or () for own in item.value.spec.hosts):
                yield item.number, host_not_in_gateway(path, item.value.spec.hosts, item.full_name, full_name)


_INTERNAL: Final = "~istio-autogenerated-k8s-gateway~"
"""In the name of a Gateway that Istio makes out of one of the Gateway API."""


def _hosts_of(full_name: str, namespace: str, mesh: Mesh) -> list[str] | None:
    """The hosts that a gateway serves for VirtualServices of a namespace; None for a gateway that isn't there."""
    gateway = next((item for item in mesh.gateways if item.full_name == full_name), None)
    if gateway is None:
        return mesh.gateway_api_hosts.get(full_name)
    served = []
    for host in (host for server in gateway.value.spec.servers for host in server.hosts):
        owner, slash, name = host.partition("/")
        if not slash:
            served.append(host)
        elif (gateway.namespace if owner == "." else owner) in ("*", namespace):
            served.append(name)
    return served


def analyze_mesh_hosts(mesh: Mesh) -> Found:
    """Hosts of the mesh that several VirtualServices speak for: the oldest wins, the others are not heard."""
    by_host: dict[tuple[str, str], list[Item[VirtualService]]] = {}
    for item in mesh.virtual_services:
        spec = item.value.spec
        if not spec.gateways or MESH_GATEWAY in spec.gateways:
            for scope in scopes(spec.export_to, item.namespace):
                for host in spec.hosts:
                    by_host.setdefault((scope, full_host(item.namespace, host)), []).append(item)
    reported: set[int] = set()
    for (scope, host), items in by_host.items():
        rivals = list(items)
        if scope != EVERYWHERE:
            for (other_scope, other), others in by_host.items():
                rivals += others if other_scope == EVERYWHERE and hosts_overlap(host, other) else ()
        if len(rivals) > 1:
            finding = conflicting_hosts((rival.full_name for rival in rivals), f"{scope}/{host}")
            for rival in rivals:
                if rival.number not in reported:
                    reported.add(rival.number)
                    yield rival.number, finding
