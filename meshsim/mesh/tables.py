"""Route tables: which virtual hosts a listener has, as a gateway, as a sidecar, or as either."""

from collections.abc import Callable, Iterable

from meshsim.mesh.gateways import HTTP_PORT, gateway_names, servers_of
from meshsim.mesh.identity import ListenerSpec, Role
from meshsim.mesh.names import PASSTHROUGH_CLUSTER, host_matches
from meshsim.mesh.reply import FixedReply
from meshsim.mesh.retry import NO_RETRIES
from meshsim.mesh.route import Route, RouteDestination, RouteTable, VirtualHost, host_of
from meshsim.mesh.rules import tail_of
from meshsim.mesh.sidecars import Outbound, sidecar_names
from meshsim.mesh.source import Names, TableSource, first_wins
from meshsim.mesh.steps import Steps

_NONE = Names({}, {})


def compile_table(listener: ListenerSpec, source: TableSource) -> Steps[RouteTable]:
    """The table of a listener.

    One without a number serves every HTTP server of every gateway, lower ports first, and what no gateway admits
    as a sidecar does on the service's own port.
    """
    port = listener.number or HTTP_PORT
    servers = [] if listener.role is Role.SIDECAR else servers_of(source, listener.number)
    gateway = (yield from gateway_names(source, servers)) if servers else _NONE
    admitted = tuple(_plain_host(host) for _, server in servers for host in server.hosts)
    if listener.role is Role.GATEWAY or "*" in admitted:
        return _table(Role.GATEWAY, port, gateway, None)
    own = yield from sidecar_names(source, Outbound(listener.number, tuple(dict.fromkeys(admitted))))
    return _table(Role.SIDECAR, port, (yield from first_wins([gateway, *own])), _fallback(port, admitted, source))


def _plain_host(entry: str) -> str:
    return entry.rpartition("/")[2].lower()


def _table(role: Role, port: int, names: Names, fallback: Callable[[bytes], VirtualHost | None] | None) -> RouteTable:
    suffixes = {name[1:]: host for name, host in names.wild.items() if name != b"*"}
    return RouteTable(
        role=role,
        port=port,
        exact=names.exact,
        suffixes=suffixes,
        suffix_lengths=tuple(sorted(set(map(len, suffixes)), reverse=True)),
        star=names.wild.get(b"*"),
        fallback=fallback,
    )


def _fallback(port: int, admitted: Iterable[str], source: TableSource) -> Callable[[bytes], VirtualHost | None]:
    unknown = _outside(port, source)
    patterns = tuple(admitted)

    def fallback(authority: bytes) -> VirtualHost | None:
        """A host that a gateway admits has no route there; a sidecar knows what to do with any other."""
        host = host_of(authority).decode("latin-1")
        return None if any(host_matches(pattern, host) for pattern in patterns) else unknown

    return fallback


def _outside(port: int, source: TableSource) -> VirtualHost:
    """What a sidecar does with hosts that the registry doesn't know."""
    if source.mesh.is_registry_only:
        route = Route("block_all", reply=FixedReply(502), simple=False)
        return VirtualHost("block_all", (route,), Role.SIDECAR, port)
    tail = tail_of(PASSTHROUGH_CLUSTER, None, NO_RETRIES)
    route = Route("allow_any", destination=RouteDestination(PASSTHROUGH_CLUSTER, tail))
    return VirtualHost("allow_any", (route,), Role.SIDECAR, port)
