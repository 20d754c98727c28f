"""Which EndpointSlices and Endpoints a Service has: pure, from the Service and the pods it selects.

The rules are those of Kubernetes' endpointslice and endpoints controllers. A slice holds the endpoints that share
their ports; its name follows from the Service and those ports, so that the same question has the same answer.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from meshsim.api.core import (
    SERVICE_NAME_LABEL,
    TERMINAL_PHASES,
    Endpoint,
    EndpointConditions,
    EndpointPort,
    ObjectReference,
    Pod,
    Service,
    ServicePort,
)
from meshsim.api.decode import Object, encode
from meshsim.api.kinds import ENDPOINT_SLICE, ENDPOINTS, POD, SERVICE
from meshsim.api.listening_ports import ports_of
from meshsim.api.meta import selects

MANAGED_BY_LABEL: Final = "endpointslice.kubernetes.io/managed-by"
MANAGER: Final = "endpointslice-controller.k8s.io"
_SLICE_ENDPOINTS_MAX: Final = 100
_HASH_LETTERS: Final = "bcdfghjklmnpqrstvwxz2456789"

Ports = tuple[EndpointPort, ...]


def has_endpoints(service: Service) -> bool:
    """Whether its endpoints are its pods': without a selector they are somebody else's to write."""
    return bool(service.spec.selector) and service.spec.type != "ExternalName"


def slices_of(service: Service, pods: Iterable[Pod]) -> list[Object]:
    """The EndpointSlices that the Service should have, given the pods of its namespace."""
    groups = _grouped(service, pods) or {_declared_ports(service): []}
    slices = []
    for ports, members in groups.items():
        endpoints = [encode(_endpoint(pod)) for pod in members]
        for page, start in enumerate(range(0, max(len(endpoints), 1), _SLICE_ENDPOINTS_MAX)):
            slices.append(_slice(service, ports, endpoints[start : start + _SLICE_ENDPOINTS_MAX], page))
    return slices


def endpoints_of(service: Service, pods: Iterable[Pod]) -> Object:
    """The Endpoints object of the Service: what older clients read. Terminating pods are not in it."""
    metadata = service.metadata
    subsets = []
    for ports, members in _grouped(service, pods).items():
        staying = [pod for pod in members if not pod.is_terminating]
        ready = [_address(pod) for pod in staying if pod.is_ready]
        waiting = [_address(pod) for pod in staying if not pod.is_ready]
        if staying:
            lists = {"addresses": ready, "notReadyAddresses": waiting}
            subset = {name: addresses for name, addresses in lists.items() if addresses}
            subsets.append({**subset, "ports": [_port_object(port) for port in ports]})
    return {
        "apiVersion": ENDPOINTS.api_version,
        "kind": ENDPOINTS.kind,
        "metadata": {
            "name": metadata.name,
            "namespace": metadata.namespace,
            "labels": {**metadata.labels, "endpoints.kubernetes.io/managed-by": "endpoint-controller"},
            "ownerReferences": [_reference_to(service)],
        },
        "subsets": subsets,
    }


def _grouped(service: Service, pods: Iterable[Pod]) -> Mapping[Ports, Sequence[Pod]]:
    """The Service's pods in the order of their names, by the ports they serve it at."""
    groups: defaultdict[Ports, list[Pod]] = defaultdict(list)
    for pod in sorted(pods, key=lambda pod: pod.metadata.name):
        if (
            pod.status.pod_ip
            and pod.status.phase not in TERMINAL_PHASES
            and selects(service.spec.selector, pod.metadata.labels)
        ):
            groups[_ports_at(service, pod)].append(pod)
    return groups


def _ports_at(service: Service, pod: Pod) -> Ports:
    """Where the pod serves each port of the Service; a port whose name it doesn't know is left out."""
    listening = ports_of(pod.metadata.annotations)
    numbers = ((port, _port_number(port, pod)) for port in service.spec.ports)
    return tuple(_endpoint_port(port, listening.get(number, number)) for port, number in numbers if number is not None)


def _port_number(port: ServicePort, pod: Pod) -> int | None:
    target = port.port if port.target_port is None else port.target_port
    if isinstance(target, int):
        return target
    for container in (*pod.spec.containers, *pod.spec.sidecars):
        for candidate in container.ports:
            if candidate.name == target and candidate.protocol == port.protocol:
                return candidate.container_port
    return None


def _declared_ports(service: Service) -> Ports:
    """The ports of a Service without pods, those that are numbers."""
    targets = ((port, port.port if port.target_port is None else port.target_port) for port in service.spec.ports)
    return tuple(_endpoint_port(port, target) for port, target in targets if isinstance(target, int))


def _endpoint_port(port: ServicePort, number: int) -> EndpointPort:
    return EndpointPort(port=number, name=port.name, protocol=port.protocol, app_protocol=port.app_protocol)


def _port_object(port: EndpointPort) -> Object:
    # Kubernetes writes the name and the protocol also where they are the default.
    return {"name": port.name, "protocol": port.protocol, **encode(port)}


def _endpoint(pod: Pod) -> Endpoint:
    return Endpoint(
        addresses=(pod.status.pod_ip,),
        conditions=EndpointConditions(
            ready=pod.is_ready and not pod.is_terminating, serving=pod.is_ready, terminating=pod.is_terminating
        ),
        target_ref=_target(pod),
        node_name=pod.spec.node_name,
    )


def _target(pod: Pod) -> ObjectReference:
    metadata = pod.metadata
    return ObjectReference(kind=POD.kind, name=metadata.name, namespace=metadata.namespace, uid=metadata.uid)


def _address(pod: Pod) -> Object:
    return {"ip": pod.status.pod_ip, "nodeName": pod.spec.node_name, "targetRef": encode(_target(pod))}


def _slice(service: Service, ports: Ports, endpoints: list[Object], page: int) -> Object:
    metadata = service.metadata
    return {
        "apiVersion": ENDPOINT_SLICE.api_version,
        "kind": ENDPOINT_SLICE.kind,
        "metadata": {
            "name": f"{metadata.name}-{_hash(ports, page)}",
            "namespace": metadata.namespace,
            "labels": {**metadata.labels, SERVICE_NAME_LABEL: metadata.name, MANAGED_BY_LABEL: MANAGER},
            "ownerReferences": [_reference_to(service)],
        },
        "addressType": "IPv4",
        "endpoints": endpoints,
        "ports": [_port_object(port) for port in ports],
    }


def _hash(ports: Ports, page: int) -> str:
    """Five letters of the kind that Kubernetes puts at the end of generated names."""
    digest = hashlib.sha256(repr((ports, page)).encode()).digest()
    return "".join(_HASH_LETTERS[byte % len(_HASH_LETTERS)] for byte in digest[:5])


def _reference_to(service: Service) -> Object:
    return {
        "apiVersion": SERVICE.api_version,
        "kind": SERVICE.kind,
        "name": service.metadata.name,
        "uid": service.metadata.uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }
