"""The objects of a mesh, typed, and the hosts that it knows."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Generic, NamedTuple, TypeVar

import msgspec

from meshsim.api.core import Pod, Service
from meshsim.api.decode import FieldError, Object, decode
from meshsim.api.kinds import DESTINATION_RULE, GATEWAY, NODE, POD, SERVICE, SERVICE_ENTRY, VIRTUAL_SERVICE
from meshsim.api.networking import DestinationRule, Gateway, ServiceEntry, VirtualService
from meshsim.api.validate.istio import GROUP, read_istio
from meshsim.api.validate.lint import Subject
from meshsim.api.validate.protojson import MessageError

T = TypeVar("T")

EVERYWHERE: Final = "*"
"""The scope of what is exported to all namespaces."""
_EXPORT_ANNOTATION: Final = "networking.istio.io/exportTo"
_HOSTNAME: Final = "kubernetes.io/hostname"
_PLACES: Final = frozenset(
    {"topology.kubernetes.io/region", "topology.kubernetes.io/zone", "topology.istio.io/subzone"}
)
_GATEWAY_API: Final = "gateway.networking.k8s.io"
_TEMPLATED: Final = frozenset({"Rollout", "Deployment", "ReplicaSet", "StatefulSet", "DaemonSet"})


@dataclass(frozen=True, slots=True)
class Item(Generic[T]):
    """One object: its number among all, where it is, what it says."""

    number: int
    namespace: str
    name: str
    value: T

    @property
    def full_name(self) -> str:
        """`namespace/name`."""
        return f"{self.namespace}/{self.name}"


class Host(NamedTuple):
    """A service that a host leads to: the numbers of its ports, the labels that its workloads must have."""

    ports: tuple[int, ...]
    selector: Mapping[str, str] = {}


@dataclass(frozen=True)
class Mesh:
    """Everything that is there. What can't be read is left out: `lint` has said so."""

    subjects: Sequence[Subject]

    @cached_property
    def virtual_services(self) -> list[Item[VirtualService]]:
        """Every VirtualService."""
        return self._istio(VIRTUAL_SERVICE.kind, VirtualService)

    @cached_property
    def destination_rules(self) -> list[Item[DestinationRule]]:
        """Every DestinationRule."""
        return self._istio(DESTINATION_RULE.kind, DestinationRule)

    @cached_property
    def gateways(self) -> list[Item[Gateway]]:
        """Every Gateway of Istio's own kind."""
        return self._istio(GATEWAY.kind, Gateway)

    @cached_property
    def pod_labels(self) -> list[Mapping[str, str]]:
        """The labels of every pod, and of every pod that a template stands for, with those of its node."""
        nodes = {subject.name: _labels_of(subject.object) for subject in self._of(NODE.group, NODE.kind)}
        labels: list[Mapping[str, str]] = []
        for pod in self._core(POD.kind, Pod):
            node = pod.value.spec.node_name
            place = {key: value for key, value in nodes.get(node, {}).items() if key in _PLACES and value}
            labels.append({**pod.value.metadata.labels, **place, **({_HOSTNAME: node} if node else {})})
        for subject in self.subjects:
            if subject.kind in _TEMPLATED:
                spec = subject.object.get("spec")
                template = spec.get("template") if isinstance(spec, dict) else None
                labels.append(_labels_of(template if isinstance(template, dict) else {}))
        return labels

    @cached_property
    def hosts(self) -> Mapping[tuple[str, str], Host]:
        """Scope (a namespace or `*`) and full host name → what is there."""
        found: dict[tuple[str, str], Host] = {}
        for entry in self._istio(SERVICE_ENTRY.kind, ServiceEntry):
            selector = entry.value.spec.workload_selector
            host = Host(
                tuple(port.number for port in entry.value.spec.ports), selector.labels if selector is not None else {}
            )
            for scope in scopes(entry.value.spec.export_to, entry.namespace):
                found |= {(scope, full_host(entry.namespace, name)): host for name in entry.value.spec.hosts}
        for service in self._core(SERVICE.kind, Service):
            host = Host(tuple(port.port for port in service.value.spec.ports))
            exported = service.value.metadata.annotations.get(_EXPORT_ANNOTATION, "")
            export_to = [scope.strip() for scope in exported.split(",")] if exported else []
            for scope in scopes(export_to, service.namespace):
                found[scope, full_host(service.namespace, service.name)] = host
        return found

    @cached_property
    def gateway_api_hosts(self) -> Mapping[str, list[str]]:
        """Full name of every Gateway of the Gateway API → the hosts of its listeners, `*` for one without a name."""
        return {
            f"{subject.namespace}/{subject.name}": [
                str(listener.get("hostname") or "*") for listener in _listeners_of(subject.object)
            ]
            for subject in self._of(_GATEWAY_API, GATEWAY.kind)
        }

    def find_host(self, namespace: str, export_to: Sequence[str], host: str) -> Host | None:
        """What a host leads to for an object of a namespace that is itself exported so."""
        name = full_host(namespace, host)
        own = [namespace] if not export_to else [namespace if scope == "." else scope for scope in export_to]
        exact = (self.hosts.get((scope, name)) for scope in (EVERYWHERE, *own))
        wild = (
            value
            for (scope, pattern), value in self.hosts.items()
            if pattern.startswith("*") and scope in (EVERYWHERE, namespace)
            if host.removeprefix("*").endswith(pattern.removeprefix("*"))
        )
        return next((value for value in exact if value is not None), None) or next(wild, None)

    def _of(self, group: str, kind: str) -> Iterator[Subject]:
        return (subject for subject in self.subjects if (subject.group, subject.kind) == (group, kind))

    def _istio(self, kind: str, wire: type[T]) -> list[Item[T]]:
        return list(_read(self.subjects, GROUP, kind, lambda obj: msgspec.convert(read_istio(kind, obj), wire)))

    def _core(self, kind: str, wire: type[T]) -> list[Item[T]]:
        return list(_read(self.subjects, "", kind, lambda obj: decode(wire, obj)))


def _read(subjects: Iterable[Subject], group: str, kind: str, read: Callable[[Object], T]) -> Iterator[Item[T]]:
    for number, subject in enumerate(subjects):
        if (subject.group, subject.kind) == (group, kind):
            try:
                value = read(subject.object)
            except (MessageError, FieldError):
                continue
            yield Item(number, subject.namespace, subject.name, value)


def _listeners_of(gateway: Object) -> list[Object]:
    spec = gateway.get("spec")
    listeners = spec.get("listeners") if isinstance(spec, dict) else None
    return [one for one in listeners if isinstance(one, dict)] if isinstance(listeners, list) else []


def _labels_of(obj: Object) -> Mapping[str, str]:
    metadata = obj.get("metadata")
    labels = metadata.get("labels") if isinstance(metadata, dict) else None
    return {key: value for key, value in labels.items() if isinstance(value, str)} if isinstance(labels, dict) else {}


def full_host(namespace: str, host: str) -> str:
    """A short name as seen from a namespace; others are full already."""
    return host if host.startswith("*") or "." in host else f"{host}.{namespace}.svc.cluster.local"


def scopes(export_to: Sequence[str], namespace: str) -> list[str]:
    """The namespaces that an object is exported to, or `*` alone."""
    if not export_to or EVERYWHERE in export_to:
        return [EVERYWHERE]
    return list(dict.fromkeys(namespace if scope == "." else scope for scope in export_to))
