"""The virtual hosts of gateways: what their servers admit, from the VirtualServices that are bound to them."""

from collections.abc import Iterable, Sequence
from functools import partial

from meshsim.api.meta import selects
from meshsim.api.networking import Gateway, Server, VirtualService
from meshsim.mesh.identity import Role
from meshsim.mesh.names import DEFAULT_NAMESPACE, is_visible, narrower
from meshsim.mesh.route import Route, VirtualHost
from meshsim.mesh.rules import RouteContext, catch_alls_last, compile_rules
from meshsim.mesh.source import Names, TableSource, names_of
from meshsim.mesh.steps import Steps
from meshsim.mesh.virtualservices import Ready, namespace_of

HTTP_PORT = 80
_HTTP_SERVERS = frozenset(("HTTP", "HTTP2", "GRPC", "GRPC-WEB"))

Rules = list[tuple[Route, bool]]
"""A VirtualService's routes, each with whether it is a catch-all."""


def servers_of(source: TableSource, port: int | None) -> list[tuple[Gateway, Server]]:
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


def gateway_names(source: TableSource, servers: Iterable[tuple[Gateway, Server]]) -> Steps[Names]:
    """The virtual hosts of gateway servers: routes of all VirtualServices of a host, catch-alls moved last."""
    rules_of: dict[str, list[Rules]] = {}
    about: dict[str, tuple[int, bool]] = {}

    def admit(host: str, port: int, *, redirects: bool) -> bool:
        """Whether the host is this port's, which is the first that has it; once it redirects it always does."""
        known_port, known_redirects = about.get(host, (port, False))
        about[host] = (known_port, known_redirects or (redirects and known_port == port))
        return known_port == port

    bound = yield from _bound(source)
    kept = source.kept
    for gateway, server in servers:
        port = server.port.number if server.port else HTTP_PORT
        redirects = bool(server.tls and server.tls.https_redirect)
        name = f"{gateway.metadata.namespace or DEFAULT_NAMESPACE}/{gateway.metadata.name}"
        context = source.context(Role.GATEWAY, port, name)
        for ready in bound.get(name, ()):
            if kept.is_step():
                yield
            parts = (gateway, server, *source.parts_of(ready))
            hosts, rules = kept.of(("server", name), parts, partial(_admitted, gateway, server, ready.vs, context))
            for host in hosts:
                if admit(host, port, redirects=redirects):
                    rules_of.setdefault(host, []).append(rules)
        if redirects:
            # As istiod has it, one that is bound to a namespace takes effect through a VirtualService only.
            for host in map(str.lower, server.hosts):
                if admit(host, port, redirects=True):
                    rules_of.setdefault(host, [])
    exact: dict[bytes, VirtualHost] = {}
    wild: dict[bytes, VirtualHost] = {}
    for host, listed in rules_of.items():
        if kept.is_step():
            yield
        names = kept.of(("host", host, about[host]), tuple(listed), partial(_names, host, listed, *about[host]))
        exact.update(names.exact)
        wild.update(names.wild)
    return Names(exact, wild)


def _bound(source: TableSource) -> Steps[dict[str, list[Ready]]]:
    """The VirtualServices that the proxy sees, by the gateways that they are bound to."""
    bound: dict[str, list[Ready]] = {}
    for ready in source.virtual_services:
        vs = ready.vs
        if is_visible(vs.spec.export_to, namespace_of(vs), source.proxy.namespace):
            for name in dict.fromkeys(vs.spec.gateways):
                bound.setdefault(name, []).append(ready)
    yield
    return bound


def _admitted(
    gateway: Gateway, server: Server, vs: VirtualService, context: RouteContext
) -> tuple[tuple[str, ...], Rules]:
    """The hosts of a VirtualService that a server admits, and its rules there."""
    hosts = tuple(_admitted_hosts(gateway, server, vs))
    return hosts, compile_rules(vs, context) if hosts else []


def _names(host: str, listed: Sequence[Rules], port: int, redirects: bool) -> Names:
    routes = catch_alls_last([route for rules in listed for route in rules])
    return names_of({host: VirtualHost(host, routes, Role.GATEWAY, port, redirects)} if routes or redirects else {})


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
