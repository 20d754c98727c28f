"""The virtual hosts of sidecars: services and the VirtualServices that take them, by every name and port.

Each VirtualService and each service has names of its own, which depend on little else and are kept; where several
have the same name, the first has it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from meshsim.api.networking import MESH_GATEWAY, VirtualService
from meshsim.mesh.gateways import HTTP_PORT
from meshsim.mesh.identity import Identity, Role
from meshsim.mesh.names import host_matches, is_visible, specificity
from meshsim.mesh.reachable import Reachable, domains, http_ports
from meshsim.mesh.route import VirtualHost
from meshsim.mesh.rules import RouteContext, compile_rules, default_route
from meshsim.mesh.services import MeshService
from meshsim.mesh.source import Names, TableSource, names_of
from meshsim.mesh.steps import Steps
from meshsim.mesh.virtualservices import Ready, namespace_of


@dataclass(frozen=True, slots=True)
class Outbound:
    """An outbound listener. `port` None is every port in one: then a name without a port leads to the first one."""

    port: int | None
    not_here: tuple[str, ...] = ()
    """Hosts, or patterns of hosts, that gateways have."""


def sidecar_names(source: TableSource, listener: Outbound) -> Steps[list[Names]]:
    """The names of a sidecar's outbound listener, those that come first having precedence.

    A VirtualService takes the services of its hosts that have the port; the oldest that has routes here takes them
    alone. Its other hosts come with them, and on port 80 without any. Services that nobody takes lead to themselves.
    """
    kept = source.kept
    meshed = [ready for ready in source.virtual_services if _is_meshed(ready.vs, source.proxy.namespace)]
    yield
    governors = _Governors(ready.vs for ready in meshed) if any(ready.has_wildcards for ready in meshed) else None
    names: list[Names] = []
    for ready in meshed:
        if kept.is_step():
            yield
        names.append(_names_of_virtual_service(source, listener, ready, governors))
    what = ("service", listener.port, listener.not_here)
    for host, service in source.reachable.services.items():
        if kept.is_step():
            yield
        names.append(kept.of(what, (source.services[host],), partial(_names_of_service, source, listener, service)))
    return names


def _is_meshed(vs: VirtualService, namespace: str) -> bool:
    return MESH_GATEWAY in vs.spec.gateways and is_visible(vs.spec.export_to, namespace_of(vs), namespace)


def _names_of_virtual_service(
    source: TableSource, listener: Outbound, ready: Ready, governors: "_Governors | None"
) -> Names:
    reachable, hosts = source.reachable, ready.vs.spec.hosts
    if governors is None or not ready.has_wildcards:
        matching = [_matching(reachable, host) for host in hosts]
        others: frozenset[str] = frozenset()
    else:
        matching = [
            source.kept.of(("matching", host), (reachable,), partial(_matching, reachable, host)) for host in hosts
        ]
        others = frozenset(s.host for listed in matching for s in listed if governors.of(s.host) is not ready.vs)
    # What else the names depend on is only compared: these are numbers and texts.
    what = ("vs", listener.port, listener.not_here, others, *map(reachable.first_ports.get, hosts))
    parts = (*source.parts_of(ready), *(service for listed in matching for service in listed))
    taken = _Taken(ready.vs, tuple(zip(hosts, matching, strict=True)), others)
    return source.kept.of(what, parts, partial(_names_of_taken, source, listener, taken))


def _matching(reachable: Reachable, host: str) -> tuple[MeshService, ...]:
    """The services that a VirtualService's host names."""
    services = reachable.services
    if host.startswith("*"):
        return tuple(service for service in services.values() if host_matches(host, service.host))
    return (services[host],) if host in services else ()


class _Taken(NamedTuple):
    """What a VirtualService may take: the services of each of its hosts, but those that others govern."""

    vs: VirtualService
    matching: tuple[tuple[str, tuple[MeshService, ...]], ...]
    others: frozenset[str]

    def numbers(self) -> Iterable[int]:
        """The ports on which it can have hosts."""
        return dict.fromkeys(
            (*(n for _, services in self.matching for service in services for n in http_ports(service)), HTTP_PORT)
        )

    def at(self, number: int) -> tuple[list[MeshService], list[str]]:
        """The services that its hosts name on a port, and the hosts that name none there.

        A wildcard takes the services for which no other VirtualService is more specific, and is no host of its own
        as soon as it matches any.
        """
        own: dict[str, MeshService] = {}
        bare: list[str] = []
        for host, services in self.matching:
            here = [service for service in services if service.port(number) is not None]
            if not here:
                bare.append(host)
            own |= {s.host: s for s in here if s.host == host or s.host not in self.others}
        return [service for service in own.values() if service.serves_http(number)], bare


def _names_of_taken(source: TableSource, listener: Outbound, taken: _Taken) -> Names:
    names = _Named(listener, source.proxy)
    for number in taken.numbers() if listener.port is None else (listener.port,):
        own, bare = taken.at(number)
        if not (own or number == HTTP_PORT):
            continue
        routes = tuple(route for route, _ in compile_rules(taken.vs, _context(source, number)))
        if not routes:
            continue
        for host in bare:
            first = source.reachable.first_ports.get(host, HTTP_PORT)
            names.add(host, number, VirtualHost(host, routes, Role.SIDECAR, number), first)
        for service in own:
            names.add_service(service, number, VirtualHost(service.host, routes, Role.SIDECAR, number))
    return names.all()


def _names_of_service(source: TableSource, listener: Outbound, service: MeshService) -> Names:
    """A service's own, which lead to itself."""
    names = _Named(listener, source.proxy)
    for number in http_ports(service):
        if listener.port in (None, number):
            route = default_route(service, _context(source, number))
            names.add_service(service, number, VirtualHost(service.host, (route,), Role.SIDECAR, number))
    return names.all()


def _context(source: TableSource, number: int) -> RouteContext:
    return source.context(Role.SIDECAR, number, MESH_GATEWAY)


class _Named:
    """Virtual hosts of a listener by their names; the first of a name stays."""

    def __init__(self, listener: Outbound, proxy: Identity) -> None:
        self._listener = listener
        self._proxy = proxy
        self._hosts: dict[str, VirtualHost] = {}

    def add(self, domain: str, number: int, host: VirtualHost, first_port: int) -> None:
        """A name on a port, and without it where that is the first."""
        if any(host_matches(pattern, domain) for pattern in self._listener.not_here):
            return
        if self._listener.port is not None or first_port == number:
            self._hosts.setdefault(domain, host)
        if self._listener.port is None and not domain.startswith("*"):
            self._hosts.setdefault(f"{domain}:{number}", host)

    def add_service(self, service: MeshService, number: int, host: VirtualHost) -> None:
        """All names of a service."""
        first_port = http_ports(service)[0]
        for domain in domains(service, self._proxy):
            self.add(domain, number, host, first_port)

    def all(self) -> Names:
        return names_of(self._hosts)


class _Governors:
    """The most specific VirtualService of a host: an exact name before the longest wildcard, older before younger."""

    def __init__(self, services: Iterable[VirtualService]) -> None:
        """The services come oldest first."""
        self._exact: dict[str, VirtualService] = {}
        wildcards: dict[str, VirtualService] = {}
        for vs in services:
            for host in vs.spec.hosts:
                (wildcards if host.startswith("*") else self._exact).setdefault(host, vs)
        self._wildcards = sorted(wildcards.items(), key=lambda entry: specificity(entry[0]), reverse=True)

    def of(self, host: str) -> VirtualService | None:
        """The host's, if any matches."""
        exact = self._exact.get(host)
        if exact is not None:
            return exact
        return next((vs for pattern, vs in self._wildcards if host_matches(pattern, host)), None)
