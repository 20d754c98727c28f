"""VirtualServices made ready for routing: names written out, delegates merged into their roots."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial

from msgspec.structs import replace

from meshsim.api.meta import Key
from meshsim.api.networking import (
    MESH_GATEWAY,
    Destination,
    HttpMatch,
    HttpRoute,
    StringMatch,
    VirtualService,
)
from meshsim.mesh.kept import Kept
from meshsim.mesh.names import DEFAULT_NAMESPACE, is_visible, qualified_gateway, qualified_host
from meshsim.mesh.steps import Steps


def namespace_of(vs: VirtualService) -> str:
    """The namespace, `default` when the object names none."""
    return vs.metadata.namespace or DEFAULT_NAMESPACE


def destination_hosts(vs: VirtualService) -> tuple[str, ...]:
    """The hosts that a VirtualService sends requests or copies of them to, each once."""
    hosts: dict[str, None] = {}
    for rule in vs.spec.http:
        hosts |= dict.fromkeys(entry.destination.host for entry in rule.route)
        hosts |= dict.fromkeys(mirror.destination.host for mirror in rule.mirrors)
        if rule.mirror is not None:
            hosts[rule.mirror.host] = None
    return tuple(hosts)


@dataclass(frozen=True, slots=True)
class Ready:
    """A VirtualService with hosts of its own, every name qualified, every delegate merged in."""

    vs: VirtualService
    leads_to: tuple[str, ...]
    """The hosts that it sends requests or copies of them to."""
    has_wildcards: bool
    """Some of its own hosts are."""


def ready(services: Iterable[VirtualService], kept: Kept) -> Steps[list[Ready]]:
    """The VirtualServices with hosts of their own, ready for routing."""
    qualified = yield from kept.each("qualified", _qualified, services)
    delegates = {Key(namespace_of(vs), vs.metadata.name): vs for vs in qualified if not vs.spec.hosts}
    merged: list[Ready] = []
    for root in qualified:
        if root.spec.hosts:
            if kept.is_step():
                yield
            own = [delegates.get(key) for key in _delegates_of(root)] if delegates else []
            merged.append(kept.of("ready", (root, *own), partial(_ready, root, delegates)))
    return merged


def _ready(root: VirtualService, delegates: dict[Key, VirtualService]) -> Ready:
    vs = _with_delegates(root, delegates)
    return Ready(vs, destination_hosts(vs), any(host.startswith("*") for host in vs.spec.hosts))


def _delegates_of(root: VirtualService) -> Iterable[Key]:
    for rule in root.spec.http:
        if rule.delegate is not None:
            yield Key(rule.delegate.namespace or namespace_of(root), rule.delegate.name)


def _qualified(vs: VirtualService) -> VirtualService:
    namespace = namespace_of(vs)
    gateways = tuple(qualified_gateway(name, namespace) for name in vs.spec.gateways) or (MESH_GATEWAY,)
    spec = replace(
        vs.spec,
        hosts=tuple(qualified_host(host, namespace) for host in vs.spec.hosts),
        gateways=gateways,
        http=tuple(_qualified_rule(rule, namespace) for rule in vs.spec.http),
    )
    return replace(vs, spec=spec)


def _qualified_rule(rule: HttpRoute, namespace: str) -> HttpRoute:
    def qualified(destination: Destination) -> Destination:
        return replace(destination, host=qualified_host(destination.host, namespace))

    return replace(
        rule,
        match=tuple(
            replace(match, gateways=tuple(qualified_gateway(name, namespace) for name in match.gateways))
            for match in rule.match
        ),
        route=tuple(replace(entry, destination=qualified(entry.destination)) for entry in rule.route),
        mirror=qualified(rule.mirror) if rule.mirror else None,
        mirrors=tuple(replace(mirror, destination=qualified(mirror.destination)) for mirror in rule.mirrors),
    )


def _with_delegates(root: VirtualService, delegates: dict[Key, VirtualService]) -> VirtualService:
    if not any(rule.delegate for rule in root.spec.http):
        return root
    rules: list[HttpRoute] = []
    for rule in root.spec.http:
        if rule.delegate is None:
            rules.append(rule)
            continue
        key = Key(rule.delegate.namespace or namespace_of(root), rule.delegate.name)
        delegate = delegates.get(key)
        # A delegate that is missing or not exported takes only this rule away.
        if delegate is not None and is_visible(delegate.spec.export_to, key.namespace, namespace_of(root)):
            rules.extend(merged for own in delegate.spec.http if (merged := _merged_rule(rule, own)) is not None)
    return replace(root, spec=replace(root.spec, http=tuple(rules)))


def _merged_rule(root: HttpRoute, own: HttpRoute) -> HttpRoute | None:
    """A delegate's rule under its root's; whole objects are inherited, matches are ANDed. None on a conflict."""
    match = _merged_matches(root.match, own.match)
    if match is None:
        return None
    return replace(
        own,
        name=_joined(root.name, own.name),
        match=match,
        rewrite=own.rewrite or root.rewrite,
        direct_response=own.direct_response or root.direct_response,
        timeout=own.timeout or root.timeout,
        retries=own.retries or root.retries,
        fault=own.fault or root.fault,
        mirror=own.mirror or root.mirror,
        mirrors=own.mirrors or root.mirrors,
        mirror_percentage=own.mirror_percentage or root.mirror_percentage,
        mirror_percent=root.mirror_percent if own.mirror_percent is None else own.mirror_percent,
        cors_policy=own.cors_policy or root.cors_policy,
        headers=own.headers or root.headers,
    )


def _merged_matches(root: tuple[HttpMatch, ...], own: tuple[HttpMatch, ...]) -> tuple[HttpMatch, ...] | None:
    if not root or not own:
        return own or root
    merged: list[HttpMatch] = []
    for match in own:
        compatible = [_merged_match(outer, match) for outer in root if not _conflict(outer, match)]
        if not compatible:
            return None
        merged += compatible
    return tuple(merged)


def _merged_match(root: HttpMatch, own: HttpMatch) -> HttpMatch:
    return replace(
        own,
        name=_joined(root.name, own.name),
        uri=own.uri or root.uri,
        scheme=own.scheme or root.scheme,
        method=own.method or root.method,
        authority=own.authority or root.authority,
        headers={**root.headers, **own.headers},
        without_headers={**root.without_headers, **own.without_headers},
        query_params={**root.query_params, **own.query_params},
        port=own.port or root.port,
        source_labels={**root.source_labels, **own.source_labels},
        source_namespace=own.source_namespace or root.source_namespace,
        gateways=own.gateways or root.gateways,
    )


def _joined(root: str, own: str) -> str:
    return f"{root}-{own}" if root and own else root or own


def _conflict(root: HttpMatch, own: HttpMatch) -> bool:
    pairs: list[tuple[StringMatch | None, StringMatch | None]] = [
        (root.uri, own.uri),
        (root.scheme, own.scheme),
        (root.method, own.method),
        (root.authority, own.authority),
    ]
    for outer, inner in (
        (root.headers, own.headers),
        (root.without_headers, own.without_headers),
        (root.query_params, own.query_params),
    ):
        pairs += [(outer.get(name), condition) for name, condition in inner.items()]
    return (
        any(_texts_conflict(outer, inner) for outer, inner in pairs)
        or root.ignore_uri_case != own.ignore_uri_case
        or bool(root.port and own.port and root.port != own.port)
        or bool(root.source_namespace and own.source_namespace != root.source_namespace)
        or any(root.source_labels.get(name, value) != value for name, value in own.source_labels.items())
        or bool(root.gateways and not set(own.gateways) <= set(root.gateways))
    )


def _texts_conflict(root: StringMatch | None, own: StringMatch | None) -> bool:
    """Unless the delegate's text lies within the root's; a regex or mere presence, on either side, never does."""
    if root is None or own is None:
        return False
    if root.exact:
        return own.exact != root.exact
    inner = own.exact or own.prefix
    return not (root.prefix and inner and inner.startswith(root.prefix))
