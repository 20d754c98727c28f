"""The services of the mesh and where their endpoints are, from the objects that describe them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from meshsim.api.core import (
    SERVICE_NAME_LABEL,
    VERSION_LABEL,
    EndpointSlice,
    ObjectReference,
    Pod,
    Service,
    ServicePort,
)
from meshsim.api.meta import Key
from meshsim.api.networking import ServiceEntry, WorkloadEntrySpec
from meshsim.mesh.kept import Kept
from meshsim.mesh.names import DEFAULT_NAMESPACE, is_visible, service_host

UNKNOWN: Final = "unknown"
_NOT_HTTP: Final = frozenset(("tcp", "tls", "https", "mongo", "redis", "mysql", "udp"))
_CANONICAL_NAME: Final = "service.istio.io/canonical-name"
_CANONICAL_REVISION: Final = "service.istio.io/canonical-revision"
_HASH_LABELS: Final = ("pod-template-hash", "rollouts-pod-template-hash")
_DNS: Final = ("DNS", "DNS_ROUND_ROBIN")


@dataclass(frozen=True, slots=True)
class Workload:
    """What runs behind an endpoint, as metrics name it."""

    name: str = UNKNOWN
    namespace: str = UNKNOWN
    app: str = UNKNOWN
    version: str = UNKNOWN
    canonical_service: str = UNKNOWN
    canonical_revision: str = "latest"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One address of a service's port."""

    ip: str
    port: int
    labels: Mapping[str, str] = field(default_factory=dict)
    workload: Workload = Workload()
    pod: str = ""


@dataclass(frozen=True, slots=True)
class MeshPort:
    """A port of a service and its endpoints."""

    number: int
    name: str
    is_http: bool
    endpoints: tuple[Endpoint, ...] = ()


@dataclass(frozen=True, slots=True)
class MeshService:
    """A host that the mesh knows. `name` is how metrics call it."""

    host: str
    namespace: str
    name: str
    ports: tuple[MeshPort, ...]
    addresses: tuple[str, ...] = ()
    export_to: tuple[str, ...] = ()
    short_name: str = ""
    """The Service's own name; empty for entries."""

    def port(self, number: int) -> MeshPort | None:
        """The port of that number."""
        return next((port for port in self.ports if port.number == number), None)


class Registry:
    """Every service, by host, in the order they were given; the first of a host stays."""

    def __init__(self, services: Iterable[MeshService]) -> None:
        self.by_host: dict[str, MeshService] = {}
        for service in services:
            self.by_host.setdefault(service.host, service)

    def get(self, host: str) -> MeshService | None:
        """The service of a host."""
        return self.by_host.get(host)

    def visible_to(self, namespace: str) -> list[MeshService]:
        """The services that a namespace may see."""
        return [s for s in self.by_host.values() if is_visible(s.export_to, s.namespace, namespace)]


def workload_of(pod: Pod) -> Workload:
    """A pod's workload: its owner's name without the template hash."""
    labels = pod.metadata.labels
    owner = pod.metadata.controller
    name = owner.name if owner else pod.metadata.name
    for label in _HASH_LABELS:
        if owner and labels.get(label):
            name = name.removesuffix(f"-{labels[label]}")
    return _workload(name, pod.metadata.namespace or DEFAULT_NAMESPACE, labels, pod.version)


def _workload(name: str, namespace: str, labels: Mapping[str, str], version: str) -> Workload:
    app = labels.get("app", "")
    return Workload(
        name=name or UNKNOWN,
        namespace=namespace or UNKNOWN,
        app=app or UNKNOWN,
        version=version or UNKNOWN,
        canonical_service=labels.get(_CANONICAL_NAME) or labels.get("app.kubernetes.io/name") or app or name,
        canonical_revision=(
            labels.get(_CANONICAL_REVISION) or labels.get("app.kubernetes.io/version") or version or "latest"
        ),
    )


def services_of(
    services: Iterable[Service], slices: Iterable[EndpointSlice], pods: Mapping[Key, Pod], kept: Kept
) -> Iterable[MeshService]:
    """Kubernetes' Services with the ready endpoints of their EndpointSlices."""
    slices_of: dict[Key, list[EndpointSlice]] = {}
    for endpoint_slice in slices:
        owner = endpoint_slice.metadata.labels.get(SERVICE_NAME_LABEL, "")
        slices_of.setdefault(Key(_namespace(endpoint_slice), owner), []).append(endpoint_slice)
    for service in services:
        namespace = _namespace(service)
        own_slices = slices_of.get(Key(namespace, service.metadata.name), [])
        own_pods = [
            pods.get(key)
            for endpoint_slice in own_slices
            for key in kept.of("pods", (endpoint_slice,), partial(_pods_of, endpoint_slice))
        ]
        yield kept.of("service", (service, *own_slices, *own_pods), partial(_service, service, own_slices, pods))


def _pods_of(endpoint_slice: EndpointSlice) -> list[Key]:
    """The pods behind a slice's endpoints."""
    namespace = _namespace(endpoint_slice)
    targets = [endpoint.target_ref for endpoint in endpoint_slice.endpoints if endpoint.target_ref]
    return [Key(target.namespace or namespace, target.name) for target in targets]


def _service(service: Service, slices: Iterable[EndpointSlice], pods: Mapping[Key, Pod]) -> MeshService:
    name, namespace, vip = service.metadata.name, _namespace(service), service.spec.cluster_ip
    return MeshService(
        host=service_host(name, namespace),
        namespace=namespace,
        name=name,
        ports=tuple(
            MeshPort(port.port, port.name, _is_http(port), tuple(_endpoints(port, slices, pods, namespace)))
            for port in service.spec.ports
        ),
        addresses=(vip,) if vip and vip != "None" else (),
        short_name=name,
    )


def _namespace(obj: Service | EndpointSlice | ServiceEntry) -> str:
    return obj.metadata.namespace or DEFAULT_NAMESPACE


def _is_http(port: ServicePort) -> bool:
    protocol = port.app_protocol or port.name.partition("-")[0]
    return port.protocol == "TCP" and protocol.lower() not in _NOT_HTTP


def _endpoints(
    port: ServicePort, slices: Iterable[EndpointSlice], pods: Mapping[Key, Pod], namespace: str
) -> Iterable[Endpoint]:
    """The ready endpoints of a port. As in Istio, one whose pod isn't known yet has to wait for it."""
    seen: set[tuple[str, int]] = set()
    for endpoint_slice in slices:
        number = next((given.port for given in endpoint_slice.ports if given.name == port.name), None)
        if number is None:
            continue
        for endpoint in endpoint_slice.endpoints:
            if endpoint.conditions.ready is False or not endpoint.addresses:
                continue
            found = _endpoint((endpoint.addresses[0], number), endpoint.target_ref, pods, namespace)
            if found is not None and (found.ip, number) not in seen:
                seen.add((found.ip, number))
                yield found


def _endpoint(
    address: tuple[str, int], target: ObjectReference | None, pods: Mapping[Key, Pod], namespace: str
) -> Endpoint | None:
    if target is None or target.kind != "Pod":
        return Endpoint(*address)
    pod = pods.get(Key(target.namespace or namespace, target.name))
    return None if pod is None else Endpoint(*address, pod.metadata.labels, workload_of(pod), pod.metadata.name)


def service_entries_of(
    entries: Iterable[ServiceEntry], resolved: Mapping[str, tuple[str, ...]]
) -> Iterable[MeshService]:
    """ServiceEntries; the addresses of DNS endpoints are taken from `resolved`."""
    for entry in entries:
        spec, namespace = entry.spec, _namespace(entry)
        for host in spec.hosts:
            yield MeshService(
                host=host.lower(),
                namespace=namespace,
                name=host.lower(),
                ports=tuple(
                    MeshPort(
                        port.number,
                        port.name,
                        port.protocol.lower() not in _NOT_HTTP,
                        tuple(
                            Endpoint(
                                ip,
                                endpoint.ports.get(port.name) or port.target_port or port.number,
                                endpoint.labels,
                                _entry_workload(entry, endpoint),
                            )
                            for endpoint in _given_endpoints(entry, host)
                            for ip in _addresses(entry, endpoint, resolved)
                        ),
                    )
                    for port in spec.ports
                ),
                addresses=tuple(address for address in spec.addresses if "/" not in address),
                export_to=spec.export_to,
            )


def dns_names(entries: Iterable[ServiceEntry]) -> set[str]:
    """The names that have to be resolved for these entries."""
    return {
        endpoint.address
        for entry in entries
        if entry.spec.resolution in _DNS
        for host in entry.spec.hosts
        for endpoint in _given_endpoints(entry, host)
        if not _is_numeric(endpoint.address)
    }


def _given_endpoints(entry: ServiceEntry, host: str) -> tuple[WorkloadEntrySpec, ...]:
    if entry.spec.endpoints or entry.spec.resolution not in _DNS or host.startswith("*"):
        return entry.spec.endpoints
    return (WorkloadEntrySpec(address=host),)


def _addresses(
    entry: ServiceEntry, endpoint: WorkloadEntrySpec, resolved: Mapping[str, tuple[str, ...]]
) -> tuple[str, ...]:
    if entry.spec.resolution in _DNS and not _is_numeric(endpoint.address):
        return resolved.get(endpoint.address, ())
    return (endpoint.address,) if endpoint.address else ()


def _entry_workload(entry: ServiceEntry, endpoint: WorkloadEntrySpec) -> Workload:
    labels = endpoint.labels
    return _workload(labels.get("app") or UNKNOWN, _namespace(entry), labels, labels.get(VERSION_LABEL, ""))


def _is_numeric(address: str) -> bool:
    return ":" in address or address.replace(".", "").isdigit()
