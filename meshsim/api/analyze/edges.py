"""Gateways against each other, DestinationRules against services and pods."""

from collections.abc import Mapping

from meshsim.api.analyze.codes import Found, conflicting_gateways, selects_no_pods, unknown_host
from meshsim.api.analyze.mesh import Item, Mesh
from meshsim.api.meta import selects
from meshsim.api.networking import Gateway, Server


def analyze_conflicting_gateways(mesh: Mesh) -> Found:
    """Servers of the same proxies that have the same port, bind address and host."""
    for item in mesh.gateways:
        for index, server in enumerate(item.value.spec.servers):
            rivals = {
                other.full_name
                for other in mesh.gateways
                if other.full_name != item.full_name and _same_proxies(item, other, mesh)
                if any(_collide(server, theirs) for theirs in other.value.spec.servers)
            }
            if rivals:
                selector = _as_text(item.value.spec.selector)
                path, port = f"spec.servers[{index}]", _port_of(server)
                yield item.number, conflicting_gateways(path, rivals, selector, port, server.hosts)


def _same_proxies(one: Item[Gateway], other: Item[Gateway], mesh: Mesh) -> bool:
    """Equal selectors, or one inside the other with a pod that both select."""
    mine, theirs = one.value.spec.selector, other.value.spec.selector
    if mine == theirs:
        return True
    if not (_as_text(mine) in _as_text(theirs) or _as_text(theirs) in _as_text(mine)):
        return False
    return any(selects(mine, dict(labels)) and selects(theirs, dict(labels)) for labels in mesh.pod_labels)


def _as_text(selector: Mapping[str, str]) -> str:
    return ",".join(f"{key}={value}" for key, value in sorted(selector.items()))


def _port_of(server: Server) -> int:
    return server.port.number if server.port is not None else 0


def _collide(one: Server, other: Server) -> bool:
    return _port_of(one) == _port_of(other) and one.bind == other.bind and bool({*one.hosts} & {*other.hosts})


def analyze_destination_rules(mesh: Mesh) -> Found:
    """Rules for hosts that are not there, subsets without pods."""
    for item in mesh.destination_rules:
        spec = item.value.spec
        host = mesh.find_host(item.namespace, spec.export_to, spec.host)
        if host is None:
            yield item.number, unknown_host("spec.host", spec.host)
            continue
        for index, subset in enumerate(spec.subsets):
            wanted = {**host.selector, **subset.labels}
            if not any(selects(wanted, dict(labels)) for labels in mesh.pod_labels):
                yield item.number, selects_no_pods(f"spec.subsets[{index}].name", subset.name)
