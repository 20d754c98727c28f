"""From a VirtualService's HTTP rules to routes, for one listener of one proxy."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from meshsim.api.meta import selects
from meshsim.api.networking import (
    Destination,
    HttpMatch,
    HttpRoute,
    HttpRouteDestination,
    PortSelector,
    Retries,
    StringMatch,
    VirtualService,
    seconds,
)
from meshsim.mesh.cors import compile_cors
from meshsim.mesh.fault import compile_fault
from meshsim.mesh.hash_policy import HashPolicy, compile_hash
from meshsim.mesh.headers import Stages, authority_of, compile_stages
from meshsim.mesh.identity import Identity, Role
from meshsim.mesh.match import compile_match, is_catch_all
from meshsim.mesh.mirror import compile_mirrors
from meshsim.mesh.names import cluster_name
from meshsim.mesh.policy import Ruled, route_hash
from meshsim.mesh.reply import FixedReply, RedirectReply, compile_direct_response, compile_redirect
from meshsim.mesh.retry import RetryPolicy, compile_retries
from meshsim.mesh.rewrite import compile_rewrite
from meshsim.mesh.route import Route, RouteDestination
from meshsim.mesh.services import MeshService
from meshsim.mesh.weights import Weighted


@dataclass(frozen=True, slots=True)
class RouteContext:
    """What a rule's meaning depends on: the listener, the proxy, and the services by host."""

    role: Role
    port: int
    gateways: frozenset[str]
    proxy: Identity
    services: Mapping[str, Ruled]
    timeout_s: float | None = None
    """For routes that name none."""
    retries: Retries | None = None
    """The mesh's, for routes that name none."""


def compile_rules(vs: VirtualService, context: RouteContext) -> list[tuple[Route, bool]]:
    """The routes of a VirtualService in order, each with whether it is a catch-all; none follows the first of those."""
    compiled: list[tuple[Route, bool]] = []
    for rule in vs.spec.http:
        if not (rule.route or rule.redirect or rule.direct_response):
            # Validation refuses this; alone from a file nobody may have asked it.
            continue
        for match in rule.match or (None,):
            if match is not None and not _concerns(match, context):
                continue
            catch_all = match is None or is_catch_all(match)
            compiled.append((_route(rule, match, vs.metadata.name, context), catch_all))
            if catch_all:
                return compiled
    return compiled


def default_route(service: MeshService, context: RouteContext) -> Route:
    """Where a service's requests go when no VirtualService says anything."""
    destination = Destination(host=service.host, port=PortSelector(number=context.port))
    return _forward(
        HttpRoute(name="default", route=(HttpRouteDestination(destination=destination),)), None, "", context
    )


def _concerns(match: HttpMatch, context: RouteContext) -> bool:
    """Whether a match entry can hold on this listener: by port, then by gateway or else by source."""
    if match.port and match.port != context.port:
        return False
    if match.gateways:
        return bool(context.gateways.intersection(match.gateways))
    proxy = context.proxy
    return selects(match.source_labels, proxy.labels) and match.source_namespace in ("", proxy.namespace)


def _route(rule: HttpRoute, match: HttpMatch | None, vs_name: str, context: RouteContext) -> Route:
    reply = _reply(rule, match)
    if reply is None:
        return _forward(rule, match, vs_name, context)
    return Route(
        name=_name(rule, match),
        matches=compile_match(match) if match else None,
        reply=reply,
        simple=False,
        fault=compile_fault(rule.fault),
        response_stages=_own_response_stages(rule),
    )


def _reply(rule: HttpRoute, match: HttpMatch | None) -> RedirectReply | FixedReply | None:
    if rule.redirect is not None:
        return compile_redirect(rule.redirect, match)
    return None if rule.direct_response is None else compile_direct_response(rule.direct_response)


def _forward(rule: HttpRoute, match: HttpMatch | None, vs_name: str, context: RouteContext) -> Route:
    single = len(rule.route) == 1
    timeout_s = seconds(rule.timeout) or context.timeout_s or None
    hashes = _hashes(rule, context)
    retries = compile_retries(rule.retries or context.retries, sticky=single and bool(hashes))
    rewrite = compile_rewrite(rule.rewrite, match)
    several = f"{vs_name}:{context.port}"
    destinations = [
        (
            _destination(rule, entry, (several, _operation_path(match)), (timeout_s, retries), hashes, context),
            entry.weight or 0,
        )
        for entry in rule.route
    ]
    fault, cors = compile_fault(rule.fault), compile_cors(rule.cors_policy)
    return Route(
        name=_name(rule, match),
        matches=compile_match(match) if match else None,
        destination=destinations[0][0] if single else None,
        weighted=None if single else _weighted(destinations),
        simple=fault is None and cors is None,
        fault=fault,
        cors=cors,
        rewrite=rewrite,
        timeout_s=timeout_s,
        retries=retries,
        mirrors=compile_mirrors(rule, lambda destination: cluster_of(destination, context)),
        response_stages=_own_response_stages(rule),
    )


def _own_response_stages(rule: HttpRoute) -> Stages:
    return compile_stages((rule.headers.response if rule.headers else None,), merged=True)


def _weighted(destinations: list[tuple[RouteDestination, int]]) -> Weighted[RouteDestination]:
    if not any(weight > 0 for _, weight in destinations):
        # Validation refuses this too.
        destinations = [(destination, 1) for destination, _ in destinations]
    return Weighted(destinations)


def _destination(
    rule: HttpRoute,
    entry: HttpRouteDestination,
    operation: tuple[str, str],
    waits: tuple[float | None, RetryPolicy],
    hashes: tuple[HashPolicy, ...],
    context: RouteContext,
) -> RouteDestination:
    """A destination with everything that happens on the way to it.

    Operations of both levels: with one destination they are one list, route first; else destination first.
    """
    single = len(rule.route) == 1
    cluster = cluster_of(entry.destination, context)
    name, path = operation
    if single:
        _, port, _, host = cluster.split("|")
        name = f"{host}:{port}"
    levels = [level for level in ((rule.headers, entry.headers) if single else (entry.headers, rule.headers)) if level]
    request_stages = compile_stages((level.request for level in levels), merged=single)
    of_route = (rule.rewrite.authority if rule.rewrite else None) or authority_of(rule.headers)
    of_entry = authority_of(entry.headers)
    authority = of_route or of_entry or None
    return RouteDestination(
        cluster,
        tail_of(name + path, *waits),
        plain=not (request_stages or authority or rule.rewrite or hashes),
        request_stages=request_stages,
        response_stages=compile_stages((level.response for level in levels), merged=single),
        authority=authority.encode() if authority else None,
        former_authority=None if single or not of_entry else of_entry.encode() if of_route else b"",
        hashes=hashes,
    )


def cluster_of(destination: Destination, context: RouteContext) -> str:
    """The cluster's name. A port that isn't named is the service's only one, if istiod would find the service.

    For a sidecar it looks only among services that have the listener's own port.
    """
    number = destination.port.number if destination.port else 0
    if not number:
        found = context.services.get(destination.host)
        service = None if found is None else found.service
        visible = service is not None and (context.role is Role.GATEWAY or service.port(context.port) is not None)
        number = service.ports[0].number if service and visible and len(service.ports) == 1 else context.port
    return cluster_name(number, destination.subset, destination.host)


def _hashes(rule: HttpRoute, context: RouteContext) -> tuple[HashPolicy, ...]:
    """What the requests of a rule are hashed by: the policies of all its destinations, whichever is chosen."""
    alive = [entry for entry in rule.route if entry.weight or len(rule.route) == 1]
    found = (_hash_of(entry.destination, context) for entry in alive)
    return tuple(policy for policy in found if policy is not None)


def _hash_of(destination: Destination, context: RouteContext) -> HashPolicy | None:
    found = context.services.get(destination.host)
    if found is None:
        return None
    policy = found.policy
    named_port = destination.port.number if destination.port else None
    return compile_hash(route_hash(policy, policy.subset(destination.subset), named_port))


def tail_of(operation: str, timeout_s: float | None, retries: RetryPolicy) -> bytes:
    """The headers that end the head of a request's first attempt, and the blank line."""
    waits = [wait for wait in (timeout_s, retries.per_try_timeout_s) if wait]
    expected = f"x-envoy-expected-rq-timeout-ms: {round(min(waits) * 1000)}\r\n" if waits else ""
    return f"\r\nx-envoy-decorator-operation: {operation}\r\n{expected}x-envoy-attempt-count: 1\r\n\r\n".encode()


def _operation_path(match: HttpMatch | None) -> str:
    uri: StringMatch | None = match.uri if match else None
    if uri is None or uri.is_presence:
        return "/*"
    if uri.exact is not None:
        return uri.exact
    return uri.regex if uri.regex is not None else f"{uri.prefix or ''}*"


def _name(rule: HttpRoute, match: HttpMatch | None) -> str:
    return f"{rule.name}.{match.name}" if match and match.name else rule.name


def catch_alls_last(routes: Iterable[tuple[Route, bool]]) -> tuple[Route, ...]:
    """Routes of several VirtualServices of a gateway's host: catch-alls moved to the end, otherwise in order."""
    listed = list(routes)
    return tuple([r for r, last in listed if not last] + [r for r, last in listed if last])
