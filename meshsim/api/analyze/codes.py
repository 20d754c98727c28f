"""Istio's analysis messages, by their codes."""

from collections.abc import Iterable, Iterator

from meshsim.api.validate.findings import Finding
from meshsim.api.validate.gotext import quote

Found = Iterator[tuple[int, Finding]]
"""What an analysis yields: the number of an object and a finding about it."""


def not_found(path: str, kind: str, name: str) -> Finding:
    """IST0101: something refers to what isn't there."""
    return Finding(path, f"[IST0101] Referenced {kind} not found: {quote(name)}")


def conflicting_hosts(names: Iterable[str], host: str) -> Finding:
    """IST0109: several VirtualServices speak for one host of the mesh."""
    text = (
        f"[IST0109] The VirtualServices {','.join(sorted(names))} associated with mesh gateway define the same host "
        f"{host} which can lead to undefined behavior. This can be fixed by merging the conflicting VirtualServices "
        "into a single resource."
    )
    return Finding("metadata.name", text)


def port_needed(path: str, host: str, ports: Iterable[int]) -> Finding:
    """IST0112: a destination with several ports, and none is named."""
    numbers = " ".join(map(str, ports))
    text = (
        f"[IST0112] This VirtualService routes to a service {quote(host)} that exposes multiple ports [{numbers}]. "
        "Specifying a port in the destination is required to disambiguate."
    )
    return Finding(path, text)


def host_not_in_gateway(path: str, hosts: Iterable[str], name: str, gateway: str) -> Finding:
    """IST0132: the gateway serves none of the VirtualService's hosts."""
    text = f"[IST0132] one or more host [{' '.join(hosts)}] defined in VirtualService {name} not found in Gateway"
    return Finding(path, f"{text} {gateway}.", is_warning=True)


def subset_without_effect(path: str, with_subset: str, at_gateway: str) -> Finding:
    """IST0140: the split by subsets is in another VirtualService, which gateways don't look at."""
    text = f"[IST0140] Subset in virtual service {with_subset} has no effect on ingress gateway {at_gateway} requests"
    return Finding(path, text, is_warning=True)


def conflicting_gateways(path: str, gateways: Iterable[str], selector: str, port: int, hosts: Iterable[str]) -> Finding:
    """IST0145: two gateways on the same proxies serve the same host and port."""
    text = f"[IST0145] Conflict with gateways {','.join(sorted(gateways))} (workload selector {selector}, port {port},"
    return Finding(path, f"{text} hosts {','.join(hosts)}).")


def internal_gateway(path: str, name: str, gateway: str) -> Finding:
    """IST0165: a gateway that Istio made for itself."""
    text = f"[IST0165] Gateway reference in VirtualService {name} is to an implementation-generated internal Gateway:"
    return Finding(path, f"{text} {gateway}.", is_warning=True)


def selects_no_pods(path: str, subset: str) -> Finding:
    """IST0173: a subset that no pod belongs to."""
    text = f"[IST0173] The Subset {subset} defined in the DestinationRule does not select any pods. Which may lead to"
    return Finding(path, f"{text} 503 UH (NoHealthyUpstream).")


def unknown_host(path: str, host: str) -> Finding:
    """IST0174: a DestinationRule for nothing."""
    text = f"[IST0174] The host {host} defined in the DestinationRule does not match any services in the mesh."
    return Finding(path, text, is_warning=True)
