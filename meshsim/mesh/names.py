"""How Istio's objects name hosts, gateways and clusters."""

import ipaddress
from typing import Final

from meshsim.api.networking import MESH_GATEWAY

DOMAIN: Final = "cluster.local"
DEFAULT_NAMESPACE: Final = "default"
ROOT_NAMESPACE: Final = "istio-system"
PASSTHROUGH_CLUSTER: Final = "PassthroughCluster"


def cluster_name(port: int, subset: str, host: str) -> str:
    """`outbound|9080|v1|reviews.default.svc.cluster.local`."""
    return f"outbound|{port}|{subset}|{host}"


def service_host(name: str, namespace: str) -> str:
    """The fully qualified name of a Service."""
    return f"{name}.{namespace}.svc.{DOMAIN}"


def qualified_host(host: str, namespace: str) -> str:
    """A host as an object of that namespace names it: a name without a dot is a Service beside it."""
    host = host.lower()
    if not host or host == "*" or "." in host or (":" in host and _is_ip(host)):
        return host
    return service_host(host, namespace)


def qualified_gateway(name: str, namespace: str) -> str:
    """`namespace/name` of a gateway as an object of that namespace names it; `mesh` stays."""
    if name == MESH_GATEWAY:
        return name
    prefix, slash, rest = name.partition("/")
    if slash:
        return f"{namespace}/{rest}" if prefix == "." else name
    short, _, after = name.partition(".")
    if after:
        # The legacy form: gw.ns or gw.ns.svc.cluster.local.
        return f"{after.partition('.')[0]}/{short}"
    return f"{namespace}/{name}"


def host_matches(pattern: str, host: str) -> bool:
    """Whether a host, itself perhaps a wildcard, lies within a pattern such as `*.example.com`."""
    if pattern in ("*", host):
        return True
    return pattern.startswith("*") and host.endswith(pattern[1:]) and len(host) > len(pattern) - 1


def narrower(one: str, other: str) -> str | None:
    """The narrower of two host patterns when they overlap."""
    if host_matches(one, other):
        return other
    if host_matches(other, one):
        return one
    return None


def specificity(pattern: str) -> tuple[bool, int]:
    """Orders patterns that match the same host: exact ones above wildcards, longer above shorter."""
    return not pattern.startswith("*"), len(pattern)


def is_visible(export_to: tuple[str, ...], owner_namespace: str, namespace: str) -> bool:
    """Whether an object's exportTo lets a namespace see it; nothing means everyone."""
    return not export_to or any(
        entry in ("*", namespace) or (entry == "." and owner_namespace == namespace) for entry in export_to
    )


def _is_ip(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
