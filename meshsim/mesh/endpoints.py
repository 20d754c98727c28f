"""Where the services of the mesh are: their endpoints, from the objects that describe them."""

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
from meshsim.mesh.names import DEFAULT_NAMESPACE, service_host
from meshsim.mesh.services import namespace_of
from meshsim.mesh.steps import Steps

UNKNOWN: Final = "unknown"
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


Endpoints = tuple[tuple[Endpoint, ...], ...]
"""Those of each port of a service, in the order of its ports."""


@dataclass(frozen=True, slots=True)
class EndpointObjects:
    """What endpoints are made of; Services and ServiceEntries are oldest first, `resolved` are addresses of names."""

    services: Iterable[Service]
    slices: Iterable[EndpointSlice]
    pods: Iterable[Pod]
    entries: Iterable[ServiceEntry]
    resolved: Mapping[str, tuple[str, ...]]


def compile_endpoints(objects: EndpointObjects, kept: Kept) -> Steps[dict[str, Endpoints]]:
    """The ready endpoints of every host; the first Service or ServiceEntry of a host has it.

    Those that are as before are the same object.
    """
    found: dict[str, Endpoints] = {}
    pods = dict(zip((yield from kept.each("pod", _pod_key, objects.pods)), objects.pods, strict=True))
    slices_of: dict[Key, list[tuple[EndpointSlice, tuple[Key, ...]]]] = {}
    for owner, endpoint_slice, targets in (yield from kept.each("slice", _slice_keys, objects.slices)):
        slices_of.setdefault(owner, []).append((endpoint_slice, targets))
    yield
    for host, key, service in (yield from kept.each("service", _service_keys, objects.services)):
        if kept.is_step():
            yield
        own = slices_of.get(key, ())
        slices = [endpoint_slice for endpoint_slice, _ in own]
        parts = (service, *slices, *[pods.get(target) for _, targets in own for target in targets])
        endpoints = kept.of("endpoints", parts, partial(_of_service, service, slices, pods))
        found.setdefault(host, kept.as_before(("host", host), endpoints))
    for entry in objects.entries:
        yield
        for host in entry.spec.hosts:
            endpoints = _of_entry(entry, host, objects.resolved)
            found.setdefault(host.lower(), kept.as_before(("host", host.lower()), endpoints))
    return found


def _pod_key(pod: Pod) -> Key:
    return Key(pod.metadata.namespace, pod.metadata.name)


def _service_keys(service: Service) -> tuple[str, Key, Service]:
    name, namespace = service.metadata.name, namespace_of(service)
    return service_host(name, namespace), Key(namespace, name), service


def _slice_keys(endpoint_slice: EndpointSlice) -> tuple[Key, EndpointSlice, tuple[Key, ...]]:
    """Whose a slice is, and the pods behind its endpoints."""
    namespace = namespace_of(endpoint_slice)
    owner = Key(namespace, endpoint_slice.metadata.labels.get(SERVICE_NAME_LABEL, ""))
    targets = [endpoint.target_ref for endpoint in endpoint_slice.endpoints if endpoint.target_ref]
    return owner, endpoint_slice, tuple(Key(target.namespace or namespace, target.name) for target in targets)


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


def _of_service(service: Service, slices: Iterable[EndpointSlice], pods: Mapping[Key, Pod]) -> Endpoints:
    namespace = namespace_of(service)
    return tuple(tuple(_endpoints(port, slices, pods, namespace)) for port in service.spec.ports)


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


def _of_entry(entry: ServiceEntry, host: str, resolved: Mapping[str, tuple[str, ...]]) -> Endpoints:
    """The addresses of DNS endpoints are taken from `resolved`."""
    return tuple(
        tuple(
            Endpoint(
                ip,
                endpoint.ports.get(port.name) or port.target_port or port.number,
                endpoint.labels,
                _entry_workload(entry, endpoint),
            )
            for endpoint in _given_endpoints(entry, host)
            for ip in _addresses(entry, endpoint, resolved)
        )
        for port in entry.spec.ports
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
    return _workload(labels.get("app") or UNKNOWN, namespace_of(entry), labels, labels.get(VERSION_LABEL, ""))


def _is_numeric(address: str) -> bool:
    return ":" in address or address.replace(".", "").isdigit()
