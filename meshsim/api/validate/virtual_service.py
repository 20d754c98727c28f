"""VirtualServices as Istio's webhook judges them."""

from meshsim.api.networking import (
    MESH_GATEWAY,
    L4Match,
    TcpRoute,
    TlsMatch,
    TlsRoute,
    VirtualService,
    VirtualServiceSpec,
)
from meshsim.api.validate.findings import Finding, Findings, error_if, errors_only, warning
from meshsim.api.validate.gotext import quote
from meshsim.api.validate.headers import is_jwt_claim
from meshsim.api.validate.http_route import check_destinations, check_http_route
from meshsim.api.validate.names import (
    check_export_to,
    check_gateway_names,
    check_labels,
    gateway_domain_error,
    host_covers,
    hosts_overlap,
    ip_subnet_error,
    is_ip_address,
    port_error,
    wildcard_domain_error,
)
from meshsim.api.validate.unreachable import check_reachable


def check_virtual_service(virtual_service: VirtualService) -> Findings:
    """All of a VirtualService, errors and warnings in Istio's order."""
    spec = virtual_service.spec
    yield from _check_delegate(spec)
    yield from check_gateway_names("spec.gateways", spec.gateways)
    is_for_gateway = bool(spec.gateways) and MESH_GATEWAY not in spec.gateways
    if not is_for_gateway:
        yield from _check_no_claims(spec)
    yield from _check_hosts(spec, is_for_gateway)
    if not (spec.http or spec.tcp or spec.tls):
        yield Finding("spec", "http, tcp or tls must be provided in virtual service")
    for index, http in enumerate(spec.http):
        yield from check_http_route(f"spec.http[{index}]", http, is_delegate=not spec.hosts)
    for index, tls in enumerate(spec.tls):
        yield from _check_tls_route(f"spec.tls[{index}]", tls, spec)
    for index, tcp in enumerate(spec.tcp):
        yield from errors_only(_check_tcp_route(f"spec.tcp[{index}]", tcp))
    yield from check_export_to("spec.exportTo", spec.export_to, virtual_service.metadata.namespace)
    yield from check_reachable("spec.http", spec.http)
    yield from check_reachable("spec.tcp", spec.tcp)
    yield from check_reachable("spec.tls", spec.tls)


def _check_delegate(spec: VirtualServiceSpec) -> Findings:
    """Without hosts it is a delegate, which has HTTP routes only."""
    if spec.hosts:
        return
    if spec.gateways:
        yield Finding("spec.gateways", "delegate virtual service must have no gateways specified")
    if spec.tls:
        yield Finding("spec.tls", "delegate virtual service must have no tls route specified")
    if spec.tcp:
        yield Finding("spec.tcp", "delegate virtual service must have no tcp route specified")


def _check_no_claims(spec: VirtualServiceSpec) -> Findings:
    gateways = " ".join(spec.gateways)
    for rule, route in enumerate(spec.http):
        for index, match in enumerate(route.match):
            for field, headers in (("headers", match.headers), ("withoutHeaders", match.without_headers)):
                for name in filter(is_jwt_claim, headers):
                    text = f"JWT claim based routing (key: {name}) is only supported for gateway, found no gateways: "
                    yield Finding(f"spec.http[{rule}].match[{index}].{field}.{name}", f"{text}[{gateways}]")


def _check_hosts(spec: VirtualServiceSpec, is_for_gateway: bool) -> Findings:
    has_sni = any(match.sni_hosts for tls in spec.tls for match in tls.match)
    all_valid = True
    for index, host in enumerate(spec.hosts):
        error = gateway_domain_error(host, is_sni=has_sni) if is_for_gateway else wildcard_domain_error(host)
        if error is None and host == "*" and not is_for_gateway:
            error = "wildcard host * is not allowed for virtual services bound to the mesh gateway"
        if error is not None and not is_ip_address(host):
            yield Finding(f"spec.hosts[{index}]", error)
            all_valid = False
    if all_valid:
        for index, one in enumerate(spec.hosts):
            for other in spec.hosts[index + 1 :]:
                if hosts_overlap(one, other):
                    yield Finding(f"spec.hosts[{index}]", f"duplicate hosts in virtual service: {one} & {other}")


def _check_tls_route(path: str, route: TlsRoute, spec: VirtualServiceSpec) -> Findings:
    if not route.match:
        yield Finding(path, "TLS route must have at least one match condition")
    for index, match in enumerate(route.match):
        yield from _check_tls_match(f"{path}.match[{index}]", match, spec)
    if not route.route:
        yield Finding(path, "TLS route is required")
    yield from check_destinations(f"{path}.route", route.route)


def _check_tls_match(path: str, match: TlsMatch, spec: VirtualServiceSpec) -> Findings:
    if not match.sni_hosts:
        yield Finding(path, "TLS match must have at least one SNI host")
    for index, host in enumerate(match.sni_hosts):
        yield from _check_sni_host(f"{path}.sniHosts[{index}]", host, spec)
    yield from _check_l4_match(path, match)


def _check_sni_host(path: str, host: str, spec: VirtualServiceSpec) -> Findings:
    # A VirtualService without gateways counts as the mesh's elsewhere, but not here.
    is_for_gateway = MESH_GATEWAY not in spec.gateways
    error = gateway_domain_error(host, is_sni=True) if is_for_gateway else wildcard_domain_error(host)
    if error is None and not any(host_covers(pattern, host) for pattern in spec.hosts):
        hosts = ", ".join(spec.hosts)
        error = f"SNI host {quote(host)} is not a compatible subset of any of the virtual service hosts: [{hosts}]"
    elif error is not None and is_ip_address(host):
        text = f"using an IP address ({quote(host)}) goes against SNI spec and most clients do not support this"
        yield warning(path, text)
        return
    if error is not None:
        yield Finding(path, error)


def _check_tcp_route(path: str, route: TcpRoute) -> Findings:
    for index, match in enumerate(route.match):
        yield from _check_l4_match(f"{path}.match[{index}]", match)
    if not route.route:
        yield Finding(path, "TCP route is required")
    yield from check_destinations(f"{path}.route", route.route)


def _check_l4_match(path: str, match: TlsMatch | L4Match) -> Findings:
    for index, subnet in enumerate(match.destination_subnets):
        yield from error_if(f"{path}.destinationSubnets[{index}]", ip_subnet_error(subnet))
    yield from error_if(f"{path}.port", port_error(match.port) if match.port else None)
    yield from check_labels(f"{path}.sourceLabels", match.source_labels)
    yield from check_gateway_names(f"{path}.gateways", match.gateways)
