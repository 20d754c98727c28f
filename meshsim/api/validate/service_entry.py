"""ServiceEntries and WorkloadEntries as Istio's webhook judges them."""

from collections.abc import Set
from typing import Final

from meshsim.api.networking import ServiceEntry, ServiceEntrySpec, WorkloadEntry, WorkloadEntrySpec
from meshsim.api.validate import protocols
from meshsim.api.validate.findings import Finding, Findings, error_if, warning
from meshsim.api.validate.gateway import UNIX_ADDRESS
from meshsim.api.validate.gotext import quote
from meshsim.api.validate.names import (
    check_export_to,
    check_labels,
    check_selector_labels,
    domain_error,
    ip_subnet_error,
    is_ip_address,
    partial_wildcard_error,
    port_error,
    port_name_error,
    unix_address_error,
    wildcard_domain_error,
)

_NO_AUTO_ADDRESS_LABEL: Final = "networking.istio.io/enable-autoallocate-ip"
_WAYPOINT_LABEL: Final = "istio.io/use-waypoint"


def check_service_entry(entry: ServiceEntry) -> Findings:
    """All of a ServiceEntry, errors and warnings in Istio's order."""
    spec, labels = entry.spec, entry.metadata.labels
    if spec.workload_selector is not None:
        wrong = tuple(check_selector_labels("spec.workloadSelector.labels", spec.workload_selector.labels))
        if wrong:
            yield from wrong
            return
    yield from _check_selector(spec)
    yield from _check_hosts(spec)
    yield from _check_addresses(spec)
    yield from _check_ports(spec, _gets_an_address(spec, labels))
    yield from _check_resolution(spec, labels)
    yield from _check_ports_tell_hosts_apart(spec)
    yield from check_export_to("spec.exportTo", spec.export_to, entry.metadata.namespace, may_be_hidden=True)


def _check_selector(spec: ServiceEntrySpec) -> Findings:
    if spec.workload_selector is None:
        return
    at = "spec.workloadSelector"
    if not spec.workload_selector.labels:
        text = "service entry: workload selector specified without labels, will be applied to all services in namespace"
        yield warning(at, text)
    if spec.endpoints:
        yield Finding(at, "only one of WorkloadSelector or Endpoints is allowed in Service Entry")


def _check_hosts(spec: ServiceEntrySpec) -> Findings:
    if not spec.hosts:
        yield Finding("spec.hosts", "service entry must have at least one host")
    for index, host in enumerate(spec.hosts):
        at = f"spec.hosts[{index}]"
        yield from error_if(at, "invalid host *" if host == "*" else wildcard_domain_error(host))
        partial = partial_wildcard_error(host) if spec.resolution != "DYNAMIC_DNS" else None
        if partial:
            yield warning(at, partial)


def _check_addresses(spec: ServiceEntrySpec) -> Findings:
    for index, address in enumerate(spec.addresses):
        yield from error_if(f"spec.addresses[{index}]", ip_subnet_error(address))
    if spec.resolution not in ("NONE", "STATIC") and any("/" in address for address in spec.addresses):
        yield Finding("spec.addresses", "CIDR addresses are allowed only for NONE/STATIC resolution types")


def _gets_an_address(spec: ServiceEntrySpec, labels: dict[str, str]) -> bool:
    """Istio allocates an address by itself."""
    opted_out = labels.get(_NO_AUTO_ADDRESS_LABEL, "").lower() == "false"
    return spec.resolution != "NONE" and not spec.addresses and not opted_out


def _check_ports(spec: ServiceEntrySpec, gets_an_address: bool) -> Findings:
    names: set[str] = set()
    numbers: set[int] = set()
    for index, port in enumerate(spec.ports):
        at = f"spec.ports[{index}]"
        if port.name in names:
            yield Finding(f"{at}.name", f"service entry port name {quote(port.name)} already defined")
        if port.number in numbers:
            yield Finding(f"{at}.number", f"service entry port {port.number} already defined")
        names.add(port.name)
        numbers.add(port.number)
        if port.target_port:
            yield from error_if(f"{at}.targetPort", port_error(port.target_port))
        if not spec.addresses and not gets_an_address and port.protocol in ("", "TCP"):
            text = "addresses are required for ports serving TCP (or unset) protocol when IP Autoallocation is not"
            yield warning(at, f"{text} enabled")
        yield from error_if(f"{at}.name", port_name_error(port.name))
        if port.protocol and not protocols.is_known(port.protocol):
            yield Finding(f"{at}.protocol", f"unsupported protocol: {port.protocol}")
        yield from error_if(f"{at}.number", port_error(port.number))


def _check_resolution(spec: ServiceEntrySpec, labels: dict[str, str]) -> Findings:
    match spec.resolution:
        case "NONE":
            if spec.endpoints:
                yield Finding("spec.endpoints", "no endpoints should be provided for resolution type none")
            if spec.workload_selector is not None:
                text = "workloadSelector should not be set when resolution mode is NONE"
                yield warning("spec.workloadSelector", text)
        case "STATIC":
            ports = {port.name for port in spec.ports}
            for index, endpoint in enumerate(spec.endpoints):
                yield from _check_workload(f"spec.endpoints[{index}]", endpoint, ports, may_be_domain=False)
        case "DNS" | "DNS_ROUND_ROBIN":
            yield from _check_dns(spec)
        case "DYNAMIC_DNS":
            yield from _check_dynamic_dns(spec, labels)
        case _:
            yield Finding("spec.resolution", "unsupported resolution type ")


def _check_dns(spec: ServiceEntrySpec) -> Findings:
    if not spec.endpoints:
        error = next(filter(None, map(domain_error, spec.hosts)), None)
        if error:
            text = "hosts must be FQDN or contain only prefix wildcards if no endpoints are provided for resolution"
            yield Finding("spec.hosts", f"{text} mode {spec.resolution}, {error}")
    if spec.resolution == "DNS_ROUND_ROBIN" and len(spec.endpoints) > 1:
        text = f"there must only be 0 or 1 endpoint for resolution mode {spec.resolution}"
        yield Finding("spec.endpoints", text)
    ports = {port.name for port in spec.ports}
    for index, endpoint in enumerate(spec.endpoints):
        at = f"spec.endpoints[{index}]"
        yield from _check_endpoint_address(at, endpoint.address, may_be_domain=True)
        yield from check_labels(f"{at}.labels", endpoint.labels)
        yield from _check_endpoint_ports(f"{at}.ports", endpoint, ports)
    if spec.addresses and len(spec.hosts) > 1 and any(protocols.is_tcp(port.protocol) for port in spec.ports):
        text = "service entry can not have more than one host specified simultaneously with address and tcp port"
        yield warning("spec.hosts", text)


def _check_dynamic_dns(spec: ServiceEntrySpec, labels: dict[str, str]) -> Findings:
    kind = spec.resolution
    if not spec.hosts:
        yield Finding("spec.hosts", f"at least one wildcard host must be provided for resolution type {kind}")
    for index, host in enumerate(spec.hosts):
        if not host.startswith("*"):
            yield Finding(f"spec.hosts[{index}]", f"host must be wildcarded for resolution mode {kind}")
    # Two words run into each other in the real messages, too.
    if spec.addresses:
        text = f"addresses cannot be set for resolution type {kind}. HTTP route domains will only be generated"
        yield Finding("spec.addresses", f"{text}from the hosts field values")
    if spec.endpoints:
        text = f"endpoints cannot be set for resolution type {kind}. Destination IP address determined from hosts"
        yield Finding("spec.endpoints", f"{text}field values")
    for index, port in enumerate(spec.ports):
        if port.protocol.lower() not in ("http", "tls", "grpc", "http2"):
            text = f"only HTTP, TLS, GRPC, and HTTP2 protocols are supported for resolution type {kind}"
            yield Finding(f"spec.ports[{index}].protocol", text)
    if spec.location not in ("MESH_EXTERNAL", "MESH_INTERNAL"):
        text = f"location must be MESH_EXTERNAL or MESH_INTERNAL for resolution type {kind}"
        yield Finding("spec.location", text)
    if spec.location == "MESH_INTERNAL" and labels.get(_WAYPOINT_LABEL, "none").lower() not in ("", "none"):
        text = f"location MESH_INTERNAL with resolution type {kind} is not supported when using waypoints"
        yield Finding("spec.location", text)


def _check_ports_tell_hosts_apart(spec: ServiceEntrySpec) -> Findings:
    """Several hosts on one address need a protocol that names the host."""
    if spec.resolution == "NONE" or len(spec.hosts) <= 1:
        return
    for index, port in enumerate(spec.ports):
        if not protocols.is_http(port.protocol) and not protocols.is_tls(port.protocol):
            yield Finding(f"spec.ports[{index}]", "multiple hosts provided with non-HTTP, non-TLS ports")
            return


def check_workload_entry(entry: WorkloadEntry) -> Findings:
    """All of a WorkloadEntry."""
    return _check_workload("spec", entry.spec, None, may_be_domain=True)


def _check_workload(path: str, spec: WorkloadEntrySpec, ports: Set[str] | None, *, may_be_domain: bool) -> Findings:
    """`ports` are the ServiceEntry's port names, None for an entry that stands alone."""
    if not spec.address and not spec.network:
        yield Finding(path, "address is required")
        return
    if not spec.address:
        yield warning(path, f"address is unset with network {quote(spec.network)}")
    is_unix = spec.address.startswith(UNIX_ADDRESS)
    if is_unix:
        yield from error_if(f"{path}.address", unix_address_error(spec.address.removeprefix(UNIX_ADDRESS)))
        if spec.ports:
            yield Finding(f"{path}.ports", f"unix endpoint {spec.address} must not include ports")
    elif spec.address:
        yield from _check_endpoint_address(path, spec.address, may_be_domain=may_be_domain)
    yield from _check_endpoint_ports(f"{path}.ports", spec, ports)
    yield from check_labels(f"{path}.labels", spec.labels)
    if is_unix and ports is not None and len(ports) != 1:
        yield Finding(path, "exactly 1 service port required for unix endpoints")


def _check_endpoint_address(path: str, address: str, *, may_be_domain: bool) -> Findings:
    if is_ip_address(address):
        return
    if not may_be_domain:
        yield Finding(f"{path}.address", f"endpoint address {quote(address)} is not a valid IP address")
    elif domain_error(address):
        text = f"endpoint address {quote(address)} is not a valid FQDN or an IP address"
        yield Finding(f"{path}.address", text)


def _check_endpoint_ports(path: str, spec: WorkloadEntrySpec, ports: Set[str] | None) -> Findings:
    for name, port in spec.ports.items():
        if ports is not None and name not in ports:
            yield Finding(f"{path}.{name}", f"endpoint port {port} is not defined by the service entry")
        yield from error_if(f"{path}.{name}", port_name_error(name))
        yield from error_if(f"{path}.{name}", port_error(port))
