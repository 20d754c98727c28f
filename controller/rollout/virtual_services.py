"""Edits of VirtualServices: the weights of the split, and the routes that steps create."""

from collections.abc import Iterable, Sequence
from typing import Any

from meshsim.api.decode import Object, encode
from meshsim.api.progress import FULL_WEIGHT
from meshsim.api.rollouts import IstioVirtualService, Rollout, WeightDestination
from meshsim.api.routes import (
    RouteError,
    canary_of,
    check_http_routes,
    check_tcp_routes,
    check_tls_routes,
    destination_rule_of,
    destinations_of,
    http_indexes,
    managed_names,
    routes_of,
    short_host,
    stable_and_canary_services,
    subset_of,
    tcp_indexes,
    tls_indexes,
)
from meshsim.api.steps import RouteMatch, SetHeaderRoute, SetMirrorRoute, StringMatch


def with_weight(
    rollout: Rollout,
    virtual_service: Object,
    reference: IstioVirtualService,
    weight: int,
    additional: Sequence[WeightDestination] = (),
) -> Object | None:
    """The VirtualService with that share for the canary, None when it has it already.

    Destinations that the rollout doesn't know and that have a weight are removed, as Argo does. Raises RouteError
    when its routes can't carry the split.
    """
    chosen = _chosen_routes(rollout, virtual_service, reference)
    spec = dict(virtual_service.get("spec") or {})
    changed = False
    for protocol, indexes in chosen.items():
        routes = list(spec[protocol])
        for index in indexes:
            if index < len(routes):
                destinations = _weighted(rollout, destinations_of(routes[index]), weight, additional)
                changed |= destinations != destinations_of(routes[index])
                routes[index] = routes[index] | {"route": destinations}
        spec[protocol] = routes
    if not changed:
        return None
    return ordered(rollout, virtual_service | {"spec": spec})


def _chosen_routes(rollout: Rollout, virtual_service: Object, reference: IstioVirtualService) -> dict[str, list[int]]:
    chosen: dict[str, list[int]] = {}
    http, tls, tcp = (routes_of(virtual_service, protocol) for protocol in ("http", "tls", "tcp"))
    if http is not None:
        check_http_routes(rollout, reference.routes, http)
        managed = managed_names(rollout)
        mirrors = [route["name"] for route in http if route.get("mirror") and route.get("name") in managed]
        chosen["http"] = http_indexes([*reference.routes, *mirrors], http)
    if tls is not None:
        check_tls_routes(rollout, reference.tls_routes, tls)
        chosen["tls"] = tls_indexes(reference.tls_routes, tls)
    if tcp is not None:
        check_tcp_routes(rollout, reference.tcp_routes, tcp)
        chosen["tcp"] = tcp_indexes(reference.tcp_routes, tcp)
    return chosen


def _weighted(
    rollout: Rollout, destinations: list[Object], weight: int, additional: Sequence[WeightDestination]
) -> list[Object]:
    stable_service, canary_service = stable_and_canary_services(rollout)
    rule = destination_rule_of(rollout)
    canary_subset, stable_subset = (rule.canary_subset_name, rule.stable_subset_name) if rule else ("", "")
    kept = rule.additional_subset_names if rule else ()
    experiments = {destination.service_name: destination.weight for destination in additional}
    stable_weight = FULL_WEIGHT - weight - sum(destination.weight for destination in additional)
    stable_weight -= sum(item.get("weight") or 0 for item in destinations if subset_of(item) in kept)
    weighted: list[Object] = []
    for item in destinations:
        host, subset = short_host(item), subset_of(item)
        share: int | None = None
        if not host:
            share = item.get("weight") or 0
        elif host == canary_service or (subset and subset == canary_subset):
            share = weight
        elif host == stable_service or (subset and subset == stable_subset):
            share = max(0, stable_weight)
        elif host in experiments:
            share = experiments.pop(host)
        elif (subset and subset in kept) or not item.get("weight"):
            share = item.get("weight") or 0
        if share is not None:
            weighted.append(item if share == (item.get("weight") or 0) else item | {"weight": share})
    new = [{"weight": experiments[host], "destination": {"host": host}} for host in sorted(experiments)]
    return weighted + [item for item in new if item["weight"]]


def ordered(rollout: Rollout, virtual_service: Object) -> Object:
    """Managed routes first, in the order the rollout lists them.

    Routes are found again by their names, so that several without a name, or with the same, multiply; Argo has
    this trap.
    """
    routes, managed = routes_of(virtual_service, "http"), managed_names(rollout)
    if routes is None or not managed:
        return virtual_service
    inside = [name for wanted in managed for name in map(_name, routes) if name == wanted]
    outside = [name for name in map(_name, routes) if name not in managed]
    return _with_http(virtual_service, [route for name in inside + outside for route in routes if _name(route) == name])


def _name(route: Object) -> str:
    return route.get("name") or ""


def _with_http(virtual_service: Object, routes: list[Object]) -> Object:
    return virtual_service | {"spec": virtual_service["spec"] | {"http": routes}}


def _without(virtual_service: Object, name: str) -> Object:
    routes = routes_of(virtual_service, "http")
    if routes is None:
        raise RouteError("spec.http not found")
    return _with_http(virtual_service, [route for route in routes if _name(route) != name])


def with_header_route(
    rollout: Rollout,
    virtual_service: Object,
    reference: IstioVirtualService,
    step: SetHeaderRoute,
    rule_host: str = "",
) -> Object:
    """The VirtualService with the header route of a step, or without it when the step matches nothing.

    `rule_host` is the host of the DestinationRule, when the rollout uses one. Raises RouteError.
    """
    bare = _without(virtual_service, step.name)
    if not step.match:
        return ordered(rollout, bare)
    destination = _canary_destination(rollout, bare, reference, rule_host)
    route = {
        "name": step.name,
        "match": [{"headers": {match.header_name: _string_match(match.header_value)}} for match in step.match],
        "route": [{"weight": FULL_WEIGHT, "destination": destination}],
    }
    return ordered(rollout, _with_http(bare, [*bare["spec"]["http"], route]))


def with_mirror_route(
    rollout: Rollout,
    virtual_service: Object,
    reference: IstioVirtualService,
    step: SetMirrorRoute,
    rule_host: str = "",
) -> Object:
    """The VirtualService with the mirror route of a step, or without it when the step matches nothing.

    What isn't matched keeps its weights. Raises RouteError.
    """
    bare = _without(virtual_service, step.name)
    if not step.match:
        return ordered(rollout, bare)
    route = {
        "name": step.name,
        "match": [_route_match(match) for match in step.match],
        "route": [_plain_destination(item) for item in _split_destinations(bare, reference)],
        "mirror": _canary_destination(rollout, bare, reference, rule_host),
        "mirrorPercentage": {"value": FULL_WEIGHT if step.percentage is None else step.percentage},
    }
    return ordered(rollout, _with_http(bare, [route, *bare["spec"]["http"]]))


def without_managed_routes(rollout: Rollout, virtual_service: Object) -> Object | None:
    """The VirtualService without the routes that steps created; None when there is nothing to write.

    With such a step it is always written, even when no such route is there: Argo does so on every reconcile.
    """
    made = list(_routes_of_steps(rollout))
    managed = managed_names(rollout)
    routes = routes_of(virtual_service, "http") or []
    if not made and not any(_name(route) in managed for route in routes):
        return None
    return _with_http(virtual_service, [route for route in routes if _name(route) not in {*made, *managed}])


def _routes_of_steps(rollout: Rollout) -> Iterable[str]:
    for step in canary_of(rollout).steps:
        if step.set_header_route is not None:
            yield step.set_header_route.name
        if step.set_mirror_route is not None:
            yield step.set_mirror_route.name


def _split_destinations(virtual_service: Object, reference: IstioVirtualService) -> list[Object]:
    """The destinations of the first http route that carries the split."""
    routes = routes_of(virtual_service, "http") or []
    indexes = http_indexes(reference.routes, routes)
    return destinations_of(routes[indexes[0]]) if indexes else []


def _canary_destination(
    rollout: Rollout, virtual_service: Object, reference: IstioVirtualService, rule_host: str
) -> Object:
    rule = destination_rule_of(rollout)
    destination: Object = {"host": rule_host or stable_and_canary_services(rollout)[1]}
    port = next((item["destination"].get("port") for item in _split_destinations(virtual_service, reference)[:1]), None)
    if port and port.get("number"):
        destination["port"] = {"number": port["number"]}
    if rule is not None and rule.canary_subset_name:
        destination["subset"] = rule.canary_subset_name
    return destination


def _plain_destination(item: Object) -> Object:
    kept: dict[str, Any] = {"destination": item.get("destination") or {}}
    return kept | {"weight": item["weight"]} if item.get("weight") else kept


def _string_match(match: StringMatch | None) -> Object:
    value: Object = encode(match or StringMatch())
    return value


def _route_match(match: RouteMatch) -> Object:
    value: Object = {}
    if match.method is not None:
        value["method"] = _string_match(match.method)
    if match.path is not None:
        value["uri"] = _string_match(match.path)
    if match.headers:
        value["headers"] = {name: _string_match(header) for name, header in match.headers.items()}
    return value
