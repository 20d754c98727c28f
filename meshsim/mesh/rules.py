"""From a VirtualService's HTTP rules to routes, for one listener of one proxy."""

from collections.abc import Iterable
from dataclasses import dataclass

from meshsim.api.meta import selects
from meshsim.api.networking import (
    Destination,
    HttpMatch,
    HttpRoute,
    HttpRouteDestination,
    PortSelector,
    StringMatch,
    VirtualService,
    seconds,
)
from meshsim.mesh.cors import compile_cors
from meshsim.mesh.fault import compile_fault
from meshsim.mesh.hashring import HashPolicy, compile_hash
from meshsim.mesh.headers import authority_of, compile_stages
from meshsim.mesh.identity import Identity, Role
from meshsim.mesh.match import compile_match, is_catch_all
from meshsim.mesh.mirror import compile_mirrors
from meshsim.mesh.names import cluster_name
from meshsim.mesh.policy import PolicyIndex, route_hash
from meshsim.mesh.registry import MeshService, Registry
from meshsim.mesh.reply import compile_direct_response, compile_redirect
from meshsim.mesh.retry import RetryPolicy, compile_retries
from meshsim.mesh.rewrite import compile_rewrite
from meshsim.mesh.route import Route, RouteDestination
from meshsim.mesh.weights import Weighted


@dataclass(frozen=True, slots=True)
class RouteContext:
    """What a rule's meaning depends on: the listener, the proxy, the services and their policies."""

    role: Role
    port: int
    gateways: frozenset[str]
    proxy: Identity
    registry: Registry
    policies: PolicyIndex
    timeout_s: float | None = None
    """For routes that name none."""


def compile_rules(vs: VirtualService, context: RouteContext) -> list[tuple[Route, bool]]:
    """The routes of a VirtualService in order, each with whether it is a catch-all; none follows the first of those."""
    compiled: list[tuple[Route, bool]] = []
    for rule in vs.spec.http:
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
    if rule.redirect is None and rule.direct_response is None:
        return _forward(rule, match, vs_name, context)
    response = rule.headers.response if rule.headers else None
    return Route(
        name=_name(rule, match),
        matches=compile_match(match) if match else None,
        reply=(
            compile_redirect(rule.redirect, match)
            if rule.redirect is not None
            else compile_direct_response(rule.direct_response)  # type: ignore[arg-type] # one of the two is there
        ),
        simple=False,
        fault=compile_fault(rule.fault),
        response_stages=compile_stages((response,), merged=True),
    )


def _forward(rule: HttpRoute, match: HttpMatch | None, vs_name: str, context: RouteContext) -> Route:
    timeout_s = seconds(rule.timeout) or context.timeout_s
    single = len(rule.route) == 1
    hashes = [_hash_of(entry.destination, context) for entry in rule.route]
    retries = compile_retries(rule.retries, sticky=single and hashes[0] is not None)
    rewrite = compile_rewrite(rule.rewrite, match)
    changes = rewrite is not None or bool(rule.rewrite and rule.rewrite.authority)
    operation_path = _operation_path(match)
    destinations: list[tuple[RouteDestination, int]] = []
    for entry, policy in zip(rule.route, hashes, strict=True):
        cluster = cluster_of(entry.destination, context)
        operation = f"{vs_name}:{context.port}"
        if single:
            _, port, _, host = cluster.split("|")
            operation = f"{host}:{port}"
        destination = _destination(rule, entry, cluster, tail_of(operation + operation_path, timeout_s, retries))
        plain = destination.plain and not changes and policy is None
        destinations.append((_with(destination, plain=plain, policy=policy), entry.weight or 0))
    fault, cors = compile_fault(rule.fault), compile_cors(rule.cors_policy)
    response = rule.headers.response if rule.headers else None
    return Route(
        name=_name(rule, match),
        matches=compile_match(match) if match else None,
        destination=destinations[0][0] if single else None,
        weighted=_weighted(destinations) if not single else None,
        simple=fault is None and cors is None,
        fault=fault,
        cors=cors,
        rewrite=rewrite,
        timeout_s=timeout_s or None,
        retries=retries,
        mirrors=compile_mirrors(rule, lambda destination: cluster_of(destination, context)),
        response_stages=compile_stages((response,), merged=True),
    )


def _weighted(destinations: list[tuple[RouteDestination, int]]) -> Weighted[RouteDestination]:
    if not any(weight for _, weight in destinations):
        # Validation refuses this; alone from a file nobody may have asked it.
        destinations = [(destination, 1) for destination, _ in destinations]
    return Weighted(destinations)


def _with(destination: RouteDestination, *, plain: bool, policy: HashPolicy | None) -> RouteDestination:
    return RouteDestination(
        destination.cluster,
        destination.tail,
        plain,
        destination.request_stages,
        destination.response_stages,
        destination.authority,
        policy,
    )


def _destination(rule: HttpRoute, entry: HttpRouteDestination, cluster: str, tail: bytes) -> RouteDestination:
    """Operations of both levels: with one destination they are one list, route first; else destination first."""
    single = len(rule.route) == 1
    levels = [rule.headers, entry.headers] if single else [entry.headers, rule.headers]
    request_stages = compile_stages((level.request for level in levels if level), merged=single)
    response_stages = compile_stages((level.response for level in levels if level), merged=single)
    rewritten = rule.rewrite.authority if rule.rewrite else None
    authority = authority_of(rule.headers) or authority_of(entry.headers) or rewritten or None
    return RouteDestination(
        cluster,
        tail,
        plain=not request_stages and authority is None,
        request_stages=request_stages,
        response_stages=response_stages,
        authority=authority.encode() if authority else None,
    )


def cluster_of(destination: Destination, context: RouteContext) -> str:
    """The cluster's name. A port that isn't named is the service's only one, if istiod would find the service.

    For a sidecar it looks only among services that have the listener's own port.
    """
    number = destination.port.number if destination.port else 0
    if not number:
        service = context.registry.get(destination.host)
        visible = service is not None and (context.role is Role.GATEWAY or service.port(context.port) is not None)
        number = service.ports[0].number if service and visible and len(service.ports) == 1 else context.port
    return cluster_name(number, destination.subset, destination.host)


def _hash_of(destination: Destination, context: RouteContext) -> HashPolicy | None:
    service = context.registry.get(destination.host)
    if service is None:
        return None
    policy = context.policies.of(service)
    named_port = destination.port.number if destination.port else None
    return compile_hash(route_hash(policy, policy.subset(destination.subset), named_port))


def tail_of(operation: str, timeout_s: float | None, retries: RetryPolicy) -> bytes:
    """The headers that end the head of a request's first attempt, and the blank line."""
    waits = [wait for wait in (timeout_s, retries.per_try_timeout_s) if wait]
    expected = f"x-envoy-expected-rq-timeout-ms: {round(min(waits) * 1000)}\r\n" if waits else ""
    return f"\r\nx-envoy-decorator-operation: {operation}\r\n{expected}x-envoy-attempt-count: 1\r\n\r\n".encode()


def _operation_path(match: HttpMatch | None) -> str:
    uri: StringMatch | None = match.uri if match else None
    if uri is None:
        return "/*"
    if uri.exact is not None:
        return uri.exact
    return uri.regex if uri.regex is not None else f"{uri.prefix or ''}*"


def _name(rule: HttpRoute, match: HttpMatch | None) -> str:
    return f"{rule.name}.{match.name}" if rule.name and match and match.name else rule.name


def catch_alls_last(routes: Iterable[tuple[Route, bool]]) -> tuple[Route, ...]:
    """Routes of several VirtualServices of a gateway's host: catch-alls moved to the end, otherwise in order."""
    listed = list(routes)
    return tuple([r for r, last in listed if not last] + [r for r, last in listed if last])
