"""Which routes of a VirtualService carry a rollout's split, and whether they can."""

from collections.abc import Sequence
from typing import Final

from meshsim.api.decode import Object
from meshsim.api.meta import Key
from meshsim.api.rollouts import (
    CanaryStrategy,
    IstioDestinationRule,
    IstioTrafficRouting,
    IstioVirtualService,
    Rollout,
    TcpRoute,
    TlsRoute,
)

_CLUSTER_SUFFIX: Final = ".cluster.local"
_NO_ROUTING: Final = IstioTrafficRouting()
_NO_CANARY: Final = CanaryStrategy()


class RouteError(Exception):
    """The VirtualService or DestinationRule doesn't fit the rollout; `str(error)` says how, in Argo's words."""


def canary_of(rollout: Rollout) -> CanaryStrategy:
    """The canary strategy; an empty one where there is none."""
    return rollout.spec.strategy.canary or _NO_CANARY


def istio_of(rollout: Rollout) -> IstioTrafficRouting | None:
    """What the rollout says about Istio, if anything."""
    routing = canary_of(rollout).traffic_routing
    return routing.istio if routing else None


def destination_rule_of(rollout: Rollout) -> IstioDestinationRule | None:
    """The DestinationRule that tells its versions apart, if it uses one."""
    return (istio_of(rollout) or _NO_ROUTING).destination_rule


def virtual_services_of(rollout: Rollout) -> tuple[IstioVirtualService, ...]:
    """The VirtualServices that carry its split."""
    istio = istio_of(rollout) or _NO_ROUTING
    if istio.virtual_services is not None:
        return istio.virtual_services
    return (istio.virtual_service,) if istio.virtual_service else ()


def split_reference(reference: str) -> tuple[str, str]:
    """Namespace (empty when not given) and name in `name`, `name.namespace` or that with `.cluster.local`."""
    name, _, namespace = reference.removesuffix(_CLUSTER_SUFFIX).rpartition(".")
    return (namespace, name) if name else ("", namespace)


def virtual_service_key(rollout: Rollout, reference: str) -> Key:
    """The VirtualService that a rollout names, by default in its own namespace."""
    namespace, name = split_reference(reference)
    return Key(namespace or rollout.metadata.namespace, name)


def stable_and_canary_services(rollout: Rollout, *, prefer_ping_pong: bool = False) -> tuple[str, str]:
    """The Services of both roles; with ping-pong they take turns."""
    canary = canary_of(rollout)
    unnamed = not canary.stable_service and not canary.canary_service
    if canary.ping_pong is None or not (prefer_ping_pong or unnamed):
        return canary.stable_service, canary.canary_service
    ping, pong = canary.ping_pong.ping_service, canary.ping_pong.pong_service
    return (ping, pong) if rollout.status.canary.stable_ping_pong == "ping" else (pong, ping)


def routes_of(virtual_service: Object, protocol: str) -> list[Object] | None:
    """Its http, tls or tcp routes; None when it has no such list."""
    routes = (virtual_service.get("spec") or {}).get(protocol)
    if not isinstance(routes, list):
        return None
    for index, route in enumerate(routes):
        if not isinstance(route, dict) or not isinstance(route.get("route") or [], list):
            what = f"istio.VirtualService{protocol.upper()}Route"
            raise RouteError(f"json: cannot unmarshal {_json_type(route)} into .{index} of type {what}")
    return routes


def _json_type(value: object) -> str:
    """What Go calls a JSON value."""
    if isinstance(value, str):
        return "string"
    if isinstance(value, bool):
        return "bool"
    return "number" if isinstance(value, int | float) else "object" if isinstance(value, dict) else "array"


def destinations_of(route: Object) -> list[Object]:
    """The weighted destinations of a route."""
    return route.get("route") or []


def short_host(destination: Object) -> str:
    """The first label of a destination's host; empty for a host that begins with a dot."""
    host: str = (destination.get("destination") or {}).get("host") or ""
    return host.partition(".")[0]


def subset_of(destination: Object) -> str:
    """The subset of a destination's host, empty without one."""
    return (destination.get("destination") or {}).get("subset") or ""


def http_indexes(names: Sequence[str], routes: Sequence[Object]) -> list[int]:
    """Where the named routes stand; without names the only route, else the first that has no name."""
    if not names:
        if len(routes) == 1:
            return [0]
        return next(([index] for index, route in enumerate(routes) if not route.get("name")), [])
    indexes = []
    for name in names:
        index = next((index for index, route in enumerate(routes) if (route.get("name") or "") == name), None)
        if index is None:
            raise RouteError(f"HTTP Route '{name}' is not found in the defined Virtual Service.")
        indexes.append(index)
    return indexes


def tls_indexes(wanted: Sequence[TlsRoute], routes: Sequence[Object]) -> list[int]:
    """Where the routes of those ports and SNI hosts stand; without any, the first route."""
    if not wanted:
        return [0]
    indexes: list[int] = []
    for route in wanted:
        found = [
            index
            for index, candidate in enumerate(routes)
            if _only_port(candidate) == route.port
            and len(_sni_hosts(candidate)) == len(route.sni_hosts)
            and _sni_hosts(candidate) == set(route.sni_hosts)
        ]
        if not found:
            raise RouteError("No matching TLS routes found in the defined Virtual Service.")
        indexes.extend(found)
    return indexes


def tcp_indexes(wanted: Sequence[TcpRoute], routes: Sequence[Object]) -> list[int]:
    """Where the routes of those ports stand; without any, the first route."""
    if not wanted:
        return [0]
    indexes: list[int] = []
    for route in wanted:
        found = [index for index, candidate in enumerate(routes) if _only_port(candidate) == route.port]
        if not found:
            raise RouteError("No matching TCP routes found in the defined Virtual Service.")
        indexes.extend(found)
    return indexes


def _only_port(route: Object) -> int | None:
    """The one port that all matches name, 0 when none does, None when they name several."""
    ports = {match.get("port") or 0 for match in route.get("match") or []}
    return None if len(ports) > 1 else next(iter(ports), 0)


def _sni_hosts(route: Object) -> set[str]:
    return {host for match in route.get("match") or [] for host in match.get("sniHosts") or []}


def check_http_routes(rollout: Rollout, names: Sequence[str], routes: Sequence[Object]) -> None:
    """Raise RouteError unless the http routes can carry the split."""
    for index in http_indexes(names, routes):
        _check_destinations(rollout, routes[index])
    managed = managed_names(rollout)
    if not names and sum((route.get("name") or "") not in managed for route in routes) > 1:
        raise RouteError(_one_route_only("http", "routes"))


def check_tls_routes(rollout: Rollout, wanted: Sequence[TlsRoute], routes: Sequence[Object]) -> None:
    """Raise RouteError unless the tls routes can carry the split."""
    for index in tls_indexes(wanted, routes):
        _check_destinations(rollout, routes[index] if routes else {})
    if not wanted and len(routes) > 1:
        raise RouteError(_one_route_only("tls", "tlsRoutes"))


def check_tcp_routes(rollout: Rollout, wanted: Sequence[TcpRoute], routes: Sequence[Object]) -> None:
    """Raise RouteError unless the tcp routes can carry the split."""
    for index in tcp_indexes(wanted, routes):
        _check_destinations(rollout, routes[index] if routes else {})
    if not wanted and len(routes) > 1:
        raise RouteError(_one_route_only("tcp", "tcpRoutes"))


def managed_names(rollout: Rollout) -> list[str]:
    """The routes that its steps may create, in the order they shall stand in."""
    routing = canary_of(rollout).traffic_routing
    return [route.name for route in routing.managed_routes or ()] if routing else []


def _one_route_only(protocol: str, field: str) -> str:
    return (
        f"spec.{protocol}[] should be set in VirtualService and it must have exactly one route when omitting "
        f"spec.strategy.canary.trafficRouting.istio.virtualService.{field}"
    )


def _check_destinations(rollout: Rollout, route: Object) -> None:
    stable, canary = stable_and_canary_services(rollout)
    destinations, rule = destinations_of(route), destination_rule_of(rollout)
    hosts, subsets = {short_host(item) for item in destinations}, {subset_of(item) for item in destinations}
    if rule is not None:
        if not rule.canary_subset_name or rule.canary_subset_name not in subsets:
            raise RouteError(f"Canary DestinationRule subset '{rule.canary_subset_name}' not found in route")
        if not rule.stable_subset_name or rule.stable_subset_name not in subsets:
            raise RouteError(f"Stable DestinationRule subset '{rule.stable_subset_name}' not found in route")
        return
    if not canary or canary not in hosts:
        raise RouteError(f"Canary Service '{canary}' not found in route")
    if not stable or stable not in hosts:
        raise RouteError(f"Stable Service '{stable}' not found in route")
