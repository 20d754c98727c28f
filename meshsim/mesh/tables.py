"""Route tables: which virtual hosts a listener has, as a gateway, as a sidecar, or as either."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial

from meshsim.api.meta import selects
from meshsim.api.networking import MESH_GATEWAY, Gateway, Server, VirtualService
from meshsim.mesh.identity import Identity, ListenerSpec, MeshConfig, Role
from meshsim.mesh.kept import Kept
from meshsim.mesh.names import (
    DEFAULT_NAMESPACE,
    PASSTHROUGH_CLUSTER,
    host_matches,
    is_visible,
    narrower,
    specificity,
)
from meshsim.mesh.policy import PolicyIndex
from meshsim.mesh.registry import MeshService, Registry
from meshsim.mesh.reply import FixedReply
from meshsim.mesh.retry import NO_RETRIES
from meshsim.mesh.route import Route, RouteDestination, RouteTable, VirtualHost, host_of
from meshsim.mesh.rules import RouteContext, catch_alls_last, compile_rules, default_route, tail_of
from meshsim.mesh.steps import Steps
from meshsim.mesh.virtualservices import destination_hosts, namespace_of

_HTTP_SERVERS = frozenset(("HTTP", "HTTP2", "GRPC", "GRPC-WEB"))
_HTTP_PORT = 80


@dataclass(frozen=True, slots=True)
class TableSource:
    """Everything that tables are made of. VirtualServices are ready and, like gateways, oldest first."""

    virtual_services: tuple[VirtualService, ...]
    gateways: tuple[Gateway, ...]
    registry: Registry
    policies: PolicyIndex
    proxy: Identity
    mesh: MeshConfig
    timeout_s: float | None = None
    kept: Kept = field(default_factory=Kept)

    def context(self, role: Role, port: int, gateway: str) -> RouteContext:
        """What rules mean on a listener."""
        return RouteContext(
            role=role,
            port=port,
            gateways=frozenset((gateway,)),
            proxy=self.proxy,
            registry=self.registry,
            policies=self.policies,
            timeout_s=self.timeout_s,
            retries=self.mesh.default_http_retry_policy,
        )

    def rules(self, vs: VirtualService, context: RouteContext) -> list[tuple[Route, bool]]:
        """What a VirtualService's rules mean there; they depend on the services that they lead to, and on no others."""
        parts: list[object] = [vs]
        for host in self.kept.of("destinations", (vs,), partial(destination_hosts, vs)):
            service = self.registry.get(host)
            parts += (service, None if service is None else self.policies.of(service))
        where = ("rules", context.role, context.port, context.gateways)
        return self.kept.of(where, tuple(parts), partial(compile_rules, vs, context))


def compile_table(listener: ListenerSpec, source: TableSource) -> Steps[RouteTable]:
    """The table of a listener.

    One without a number serves every HTTP server of every gateway, lower ports first, and what no gateway admits
    as a sidecar does on the service's own port.
    """
    if listener.number is not None and listener.role is Role.SIDECAR:
        return _table(Role.SIDECAR, listener.number, (yield from sidecar_hosts(source, listener.number)), source)
    servers = _servers(source, listener.number)
    if listener.role is Role.GATEWAY:
        return _table(Role.GATEWAY, listener.number or _HTTP_PORT, (yield from gateway_hosts(source, servers)), source)
    hosts = {} if listener.role is Role.SIDECAR else (yield from gateway_hosts(source, servers))
    admitted = [] if listener.role is Role.SIDECAR else [_plain_host(h) for _, s in servers for h in s.hosts]
    if "*" in admitted:
        return _table(Role.GATEWAY, listener.number or _HTTP_PORT, hosts, source, admitted)
    own = _every_sidecar(source) if listener.number is None else sidecar_hosts(source, listener.number)
    endings = tuple(pattern.removeprefix("*") for pattern in admitted)
    for name, virtual_host in (yield from own).items():
        yield
        host = host_of(name.encode()).decode()
        if not (host.endswith(endings) and any(host_matches(pattern, host) for pattern in admitted)):
            hosts.setdefault(name, virtual_host)
    return _table(Role.SIDECAR, listener.number or _HTTP_PORT, hosts, source, admitted)


def gateway_hosts(source: TableSource, servers: Iterable[tuple[Gateway, Server]]) -> Steps[dict[str, VirtualHost]]:
    """The virtual hosts of gateway servers: routes of all VirtualServices of a host, catch-alls moved last."""
    routes: dict[str, list[tuple[Route, bool]]] = {}
    about: dict[str, tuple[int, bool]] = {}

    def admit(host: str, port: int, *, redirects: bool) -> bool:
        """Whether the host is this port's, which is the first that has it; once it redirects it always does."""
        known_port, known_redirects = about.get(host, (port, False))
        about[host] = (known_port, known_redirects or (redirects and known_port == port))
        return known_port == port

    for gateway, server in servers:
        port = server.port.number if server.port else _HTTP_PORT
        redirects = bool(server.tls and server.tls.https_redirect)
        name = f"{gateway.metadata.namespace or DEFAULT_NAMESPACE}/{gateway.metadata.name}"
        context = source.context(Role.GATEWAY, port, name)
        for vs in source.virtual_services:
            yield
            if name not in vs.spec.gateways or not is_visible(
                vs.spec.export_to, namespace_of(vs), source.proxy.namespace
            ):
                continue
            compiled: list[tuple[Route, bool]] | None = None
            for host in _admitted_hosts(gateway, server, vs):
                if not admit(host, port, redirects=redirects):
                    continue
                compiled = source.rules(vs, context) if compiled is None else compiled
                routes.setdefault(host, []).extend(compiled)
        if redirects:
            # As istiod has it, one that is bound to a namespace takes effect through a VirtualService only.
            for host in map(str.lower, server.hosts):
                if admit(host, port, redirects=True):
                    routes.setdefault(host, [])
    hosts: dict[str, VirtualHost] = {}
    for host, listed in routes.items():
        yield
        if listed or about[host][1]:
            hosts[host] = VirtualHost(host, catch_alls_last(listed), Role.GATEWAY, *about[host])
    return hosts


def _servers(source: TableSource, port: int | None) -> list[tuple[Gateway, Server]]:
    """The HTTP servers of the gateways that select the proxy, by port; a proxy without labels is selected by all."""
    labels = source.proxy.labels
    listed = [
        (gateway, server)
        for gateway in source.gateways
        if not labels or selects(gateway.spec.selector, labels)
        for server in gateway.spec.servers
        if server.port and server.port.protocol.upper() in _HTTP_SERVERS and port in (None, server.port.number)
    ]
    return sorted(listed, key=lambda entry: entry[1].port.number if entry[1].port else 0)


def _admitted_hosts(gateway: Gateway, server: Server, vs: VirtualService) -> Iterable[str]:
    """The intersection of a server's hosts and a VirtualService's, the narrower of each pair, in order, once."""
    seen: dict[str, None] = {}
    for host in vs.spec.hosts:
        for entry in server.hosts:
            namespace, _, pattern = entry.rpartition("/")
            if namespace == ".":
                namespace = gateway.metadata.namespace or DEFAULT_NAMESPACE
            if namespace not in ("", "*", namespace_of(vs)):
                continue
            common = narrower(pattern.lower(), host)
            if common is not None:
                seen[common] = None
    return seen


def _plain_host(entry: str) -> str:
    return entry.rpartition("/")[2].lower()


def sidecar_hosts(source: TableSource, port: int) -> Steps[dict[str, VirtualHost]]:
    """The virtual hosts of a sidecar's outbound listener.

    A VirtualService takes the services of its hosts that have the port; the oldest that has routes here takes them
    alone. Its other hosts come with them, and on port 80 without any. Services that nobody takes lead to themselves.
    """
    context = source.context(Role.SIDECAR, port, MESH_GATEWAY)
    services = {s.host: s for s in source.registry.visible_to(source.proxy.namespace) if s.port(port) is not None}
    meshed = [
        vs
        for vs in source.virtual_services
        if MESH_GATEWAY in vs.spec.gateways and is_visible(vs.spec.export_to, namespace_of(vs), source.proxy.namespace)
    ]
    governors = _Governors(meshed)
    hosts: dict[str, VirtualHost] = {}
    taken: set[str] = set()
    for vs in meshed:
        yield
        routes = tuple(route for route, _ in source.rules(vs, context))
        own, others = _hosts_of(vs, services, governors)
        own = [service for service in own if _serves_http(service, port)]
        if not routes or not (own or port == _HTTP_PORT):
            continue
        for host in others:
            hosts.setdefault(host, VirtualHost(host, routes, Role.SIDECAR, port))
        for service in own:
            taken.add(service.host)
            virtual_host = VirtualHost(service.host, routes, Role.SIDECAR, port)
            for domain in _domains(service, source.proxy):
                hosts.setdefault(domain, virtual_host)
    for service in services.values():
        yield
        if service.host not in taken and _serves_http(service, port):
            parts = (service, source.policies.of(service))
            route = source.kept.of(("default", port), parts, partial(default_route, service, context))
            virtual_host = VirtualHost(service.host, (route,), Role.SIDECAR, port)
            for domain in _domains(service, source.proxy):
                hosts.setdefault(domain, virtual_host)
    return hosts


def _serves_http(service: MeshService, port: int) -> bool:
    own = service.port(port)
    return own is not None and own.is_http


def _hosts_of(
    vs: VirtualService, services: Mapping[str, MeshService], governors: "_Governors"
) -> tuple[list[MeshService], list[str]]:
    """The services that a VirtualService's hosts name, and the hosts that name none.

    A wildcard takes the services for which no other VirtualService is more specific, and is no host of its own as
    soon as it matches any.
    """
    own: dict[str, MeshService] = {}
    others: list[str] = []
    for host in vs.spec.hosts:
        if host.startswith("*"):
            matching = [service for service in services.values() if host_matches(host, service.host)]
        else:
            matching = [services[host]] if host in services else []
        if not matching:
            others.append(host)
        for service in matching:
            if service.host == host or governors.of(service.host) is vs:
                own[service.host] = service
    return list(own.values()), others


def _every_sidecar(source: TableSource) -> Steps[dict[str, VirtualHost]]:
    """Every outbound listener in one: a host without a port is on the first HTTP port of its service."""
    ports = {
        port.number: None
        for service in source.registry.visible_to(source.proxy.namespace)
        for port in service.ports
        if port.is_http
    }
    by_port = {}
    for number in {**ports, _HTTP_PORT: None}:
        by_port[number] = yield from sidecar_hosts(source, number)
    first_port = {
        domain: next(port.number for port in service.ports if port.is_http)
        for service in source.registry.visible_to(source.proxy.namespace)
        if any(port.is_http for port in service.ports)
        for domain in _domains(service, source.proxy)
    }
    hosts: dict[str, VirtualHost] = {}
    for number, virtual_hosts in by_port.items():
        yield
        for domain, virtual_host in virtual_hosts.items():
            if first_port.get(domain, _HTTP_PORT) == number:
                hosts[domain] = virtual_host
            if not domain.startswith("*"):
                hosts.setdefault(f"{domain}:{number}", virtual_host)
    return hosts


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


def _domains(service: MeshService, proxy: Identity) -> Iterable[str]:
    """The names by which a proxy's workload may call a service."""
    absolute = f"{service.host}."
    if not service.short_name:
        return (service.host, absolute, *service.addresses)
    short, namespace = service.short_name, service.namespace
    bare = (short,) if namespace == proxy.namespace else ()
    qualified = f"{short}.{namespace}"
    return (service.host, absolute, *bare, f"{qualified}.svc", qualified, *service.addresses)


def _table(
    role: Role, port: int, hosts: Mapping[str, VirtualHost], source: TableSource, admitted: Iterable[str] = ()
) -> RouteTable:
    patterns = tuple(admitted)
    unknown = None if role is Role.GATEWAY else _outside(port, source)

    def fallback(authority: bytes) -> VirtualHost | None:
        host = host_of(authority).decode("latin-1")
        return None if any(host_matches(pattern, host) for pattern in patterns) else unknown

    wildcards = {name[1:]: host for name, host in hosts.items() if name.startswith("*.")}
    return RouteTable(
        role=role,
        port=port,
        exact={name.encode(): host for name, host in hosts.items() if not name.startswith("*")},
        suffixes=tuple((suffix.encode(), wildcards[suffix]) for suffix in sorted(wildcards, key=len, reverse=True)),
        star=hosts.get("*"),
        fallback=None if unknown is None else fallback,
    )


def _outside(port: int, source: TableSource) -> VirtualHost:
    """What a sidecar does with hosts that the registry doesn't know."""
    if source.mesh.is_registry_only:
        route = Route("block_all", reply=FixedReply(502), simple=False)
        return VirtualHost("block_all", (route,), Role.SIDECAR, port)
    tail = tail_of(PASSTHROUGH_CLUSTER, None, NO_RETRIES)
    route = Route("allow_any", destination=RouteDestination(PASSTHROUGH_CLUSTER, tail))
    return VirtualHost("allow_any", (route,), Role.SIDECAR, port)
