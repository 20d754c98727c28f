"""Sidecars as Istio's webhook judges them."""

import re
from typing import Final

from meshsim.api.networking import (
    EgressListener,
    IngressListener,
    OutboundTrafficPolicy,
    Sidecar,
    SidecarPort,
    SidecarSpec,
)
from meshsim.api.validate import protocols
from meshsim.api.validate.findings import Finding, Findings, error_if, errors_only, warning
from meshsim.api.validate.gateway import UNIX_ADDRESS, check_host_name, check_server_tls
from meshsim.api.validate.gotext import parse_int, quote
from meshsim.api.validate.http_route import check_destination
from meshsim.api.validate.names import (
    check_selector_labels,
    domain_error,
    ip_address_error,
    is_dns_label,
    port_error,
    port_name_error,
    unix_address_error,
    wildcard_domain_error,
)
from meshsim.api.validate.traffic_policy import check_connection_pool

_UNIQUE_PORTS: Final = "sidecar: ports on IP bound listeners must be unique"


def check_sidecar(sidecar: Sidecar) -> Findings:
    """All of a Sidecar, errors and warnings in Istio's order."""
    spec, selector = sidecar.spec, sidecar.spec.workload_selector
    wrong = (
        tuple(check_selector_labels("spec.workloadSelector.labels", selector.labels)) if selector is not None else ()
    )
    yield from wrong
    if wrong:
        return
    has_pool, has_policy = spec.inbound_connection_pool is not None, spec.outbound_traffic_policy is not None
    if not (spec.egress or spec.ingress or has_pool or has_policy):
        yield Finding("spec", "sidecar: empty configuration provided")
        return
    if selector is not None and not selector.labels:
        text = "sidecar: workload selector specified without labels, will be applied to all services in namespace"
        yield warning("spec.workloadSelector", text)
    yield from _check_all_ingress(spec)
    yield from check_connection_pool("spec.inboundConnectionPool", spec.inbound_connection_pool)
    yield from _check_all_egress(spec, sidecar.metadata.namespace)
    yield from _check_outbound_policy("spec.outboundTrafficPolicy", spec.outbound_traffic_policy)


def _check_all_ingress(spec: SidecarSpec) -> Findings:
    seen: set[int] = set()
    for index, listener in enumerate(spec.ingress):
        at = f"spec.ingress[{index}]"
        if listener.port is None:
            yield Finding(at, "sidecar: port is required for ingress listeners")
            continue
        yield from _check_target_port(f"{at}.port", listener.port)
        yield from _check_ip_listener(at, listener.port, listener.bind)
        if listener.port.number in seen:
            yield Finding(f"{at}.port.number", _UNIQUE_PORTS)
        seen.add(listener.port.number)
        yield from _check_default_endpoint(f"{at}.defaultEndpoint", listener.default_endpoint)
        yield from _check_ingress_tls(f"{at}.tls", listener, listener.port)
        yield from check_connection_pool(f"{at}.connectionPool", listener.connection_pool)
        yield from _check_http_pool(at, listener, listener.port)


def _check_target_port(path: str, port: SidecarPort) -> Findings:
    if port.target_port > 0:
        yield Finding(f"{path}.targetPort", "targetPort has no impact on Sidecars")


def _check_ip_listener(path: str, port: SidecarPort, bind: str) -> Findings:
    yield from error_if(f"{path}.port.name", port_name_error(port.name) if port.name else None)
    yield from _check_protocol(f"{path}.port.protocol", port.protocol)
    yield from error_if(f"{path}.port.number", port_error(port.number))
    yield from error_if(f"{path}.bind", ip_address_error(bind) if bind else None)


def _check_protocol(path: str, protocol: str) -> Findings:
    if protocol and not protocols.is_known(protocol):
        yield Finding(path, f"unsupported protocol: {protocol}")


_LOCAL: Final = ("", "127.0.0.1", "0.0.0.0", "::1", "::")
_HOST_AND_PORT: Final = re.compile(r"(?:\[([^\[\]]*)\]|([^:\[\]]*)):([^:\[\]]*)")


def _check_default_endpoint(path: str, endpoint: str) -> Findings:
    """`127.0.0.1:port`, `[::1]:port`, `:port` or a Unix domain socket."""
    if not endpoint:
        return
    if endpoint.startswith(UNIX_ADDRESS):
        yield from error_if(path, unix_address_error(endpoint.removeprefix(UNIX_ADDRESS)))
        return
    found = _HOST_AND_PORT.fullmatch(endpoint)
    if found is None:
        yield Finding(path, f"address {endpoint}: {_split_error(endpoint)}")
    host, port = (found[1] or found[2] or "", found[3]) if found is not None else ("", "")
    if host not in _LOCAL:
        text = "sidecar: defaultEndpoint must be of form 127.0.0.1:<port>,0.0.0.0:<port>,[::1]:port,[::]:port,"
        yield Finding(path, f"{text}unix://filepath or unset")
    number = parse_int(port)
    if number is None:
        problem = f"strconv.Atoi: parsing {quote(port)}: invalid syntax"
        yield Finding(path, f"sidecar: defaultEndpoint port ({port}) is not a number: {problem}")
    else:
        yield from error_if(path, port_error(number))


def _split_error(endpoint: str) -> str:
    return "too many colons in address" if endpoint.count(":") > 1 else "missing port in address"


def _check_ingress_tls(path: str, listener: IngressListener, port: SidecarPort) -> Findings:
    tls = listener.tls
    if tls is None:
        return
    for value, what in (
        (tls.subject_alt_names, "subjectAltNames is not supported in ingress tls"),
        (tls.https_redirect, "httpsRedirect is not supported"),
        (tls.credential_name, "credentialName is not currently supported"),
        (tls.credential_names, "credentialNames is not currently supported"),
        (tls.tls_certificates, "tls_certificates is not currently supported"),
    ):
        if value:
            yield Finding(path, f"sidecar: {what}")
    if tls.mode in ("ISTIO_MUTUAL", "AUTO_PASSTHROUGH"):
        text = f"configuration is invalid: cannot set mode to {tls.mode} in sidecar ingress tls"
        yield Finding(f"{path}.mode", text)
    if not protocols.is_tls(port.protocol):
        yield Finding(path, "server cannot have TLS settings for non HTTPS/TLS ports")
    yield from check_server_tls(path, tls)


def _check_http_pool(path: str, listener: IngressListener, port: SidecarPort) -> Findings:
    pool = listener.connection_pool
    if pool is not None and pool.http is not None and not protocols.is_http(port.protocol):
        text = (
            f"sidecar: HTTP connection pool settings are configured for port {port.number} ({quote(port.name)}) "
            f"but its protocol is not HTTP ({port.protocol}); only TCP settings will apply"
        )
        yield warning(f"{path}.connectionPool.http", text)


def _check_all_egress(spec: SidecarSpec, namespace: str) -> Findings:
    ports: set[int] = set()
    sockets: set[str] = set()
    last = len(spec.egress) - 1
    for index, listener in enumerate(spec.egress):
        at = f"spec.egress[{index}]"
        if listener.port is None:
            if index != last:
                text = "sidecar: the egress listener with empty port should be the last listener in the list"
                yield Finding(at, text)
        else:
            yield from _check_target_port(f"{at}.port", listener.port)
            yield from errors_only(_check_egress_port(at, listener, listener.port))
            if listener.port.number == 0:
                if listener.bind in sockets:
                    yield Finding(f"{at}.bind", "sidecar: unix domain socket values for listeners must be unique")
                sockets.add(listener.bind)
            else:
                if listener.port.number in ports:
                    yield Finding(f"{at}.port.number", _UNIQUE_PORTS)
                ports.add(listener.port.number)
        yield from _check_egress_hosts(f"{at}.hosts", listener.hosts, namespace)


def _check_egress_port(path: str, listener: EgressListener, port: SidecarPort) -> Findings:
    if port.number != 0:
        yield from _check_ip_listener(path, port, listener.bind)
        return
    yield from error_if(f"{path}.port.name", port_name_error(port.name) if port.name else None)
    yield from _check_protocol(f"{path}.port.protocol", port.protocol)
    if listener.bind.startswith(UNIX_ADDRESS):
        yield from error_if(f"{path}.bind", unix_address_error(listener.bind.removeprefix(UNIX_ADDRESS)))
    else:
        yield Finding(f"{path}.bind", "sidecar: ports with 0 value must have a unix domain socket bind address")
    if listener.capture_mode not in ("DEFAULT", "NONE"):
        text = "sidecar: captureMode must be DEFAULT/NONE for unix domain socket listeners"
        yield Finding(f"{path}.captureMode", text)


def _check_egress_hosts(path: str, hosts: tuple[str, ...], own_namespace: str) -> Findings:
    if not hosts:
        yield Finding(path, "sidecar: egress listener must contain at least one host")
        return
    seen: dict[str, set[str]] = {}
    for index, host in enumerate(hosts):
        at = f"{path}[{index}]"
        namespace, slash, name = host.partition("/")
        if slash and not namespace.startswith("~"):
            names = seen.setdefault(own_namespace if namespace == "." else namespace, set())
            if names if name == "*" else names & {name, "*"}:
                yield warning(at, f"duplicated egress host: {host}")
            names.add(name)
        yield from _check_egress_host(at, host)
    if "*" in seen.get("*", ()) and len(seen) != 1:
        yield warning(path, "`*/*` host select all resources, no other hosts can be added")


def _check_egress_host(path: str, host: str) -> Findings:
    namespace, slash, name = host.partition("/")
    if not slash:
        yield Finding(path, "host must be of form namespace/dnsName")
        return
    if not namespace or not name:
        yield Finding(path, "config namespace and dnsName in host entry cannot be empty")
    bare = namespace.removeprefix("~")
    if bare not in ("", "*", ".") and not is_dns_label(bare):
        yield Finding(path, f"invalid namespace value {quote(namespace)} in sidecar")
    # The real one says it once here and once with the rest; an address is wrong only here.
    yield from error_if(path, wildcard_domain_error(name))
    yield from check_host_name(path, name)


def _check_outbound_policy(path: str, policy: OutboundTrafficPolicy | None) -> Findings:
    if policy is None or policy.egress_proxy is None:
        return
    at, proxy = f"{path}.egressProxy", policy.egress_proxy
    if policy.mode != "ALLOW_ANY":
        yield Finding(at, "sidecar: egress_proxy must be set only with ALLOW_ANY outbound_traffic_policy mode")
        return
    yield from error_if(f"{at}.host", domain_error(proxy.host))
    if proxy.port is None:
        yield Finding(at, "sidecar: egress_proxy port must be non-nil")
        return
    yield from check_destination(at, proxy)
