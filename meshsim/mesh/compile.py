"""Configuration, compiled: the mesh's objects become one frozen snapshot that proxies swap in whole."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from meshsim.api.core import EndpointSlice, Pod, Service
from meshsim.api.meta import HasMeta, Key
from meshsim.api.networking import DestinationRule, Gateway, ServiceEntry, VirtualService
from meshsim.mesh.clusters import ClusterDefaults, ClusterPlan, compile_clusters
from meshsim.mesh.identity import Identity, ListenerSpec, MeshConfig
from meshsim.mesh.kept import Kept
from meshsim.mesh.normalise import Normalise, base
from meshsim.mesh.policy import PolicyIndex
from meshsim.mesh.registry import Registry, service_entries_of, services_of
from meshsim.mesh.route import EMPTY_TABLE, RouteTable
from meshsim.mesh.tables import TableSource, compile_table
from meshsim.mesh.virtualservices import ready


@dataclass(frozen=True, slots=True)
class MeshObjects:
    """The objects that a proxy's configuration is made of; `resolved` are the addresses of DNS names."""

    services: tuple[Service, ...] = ()
    endpoint_slices: tuple[EndpointSlice, ...] = ()
    pods: tuple[Pod, ...] = ()
    virtual_services: tuple[VirtualService, ...] = ()
    destination_rules: tuple[DestinationRule, ...] = ()
    gateways: tuple[Gateway, ...] = ()
    service_entries: tuple[ServiceEntry, ...] = ()
    resolved: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ProxySpec:
    """What a proxy is: who, listening where, with which defaults."""

    proxy: Identity = field(default_factory=Identity)
    mesh: MeshConfig = field(default_factory=MeshConfig)
    listeners: tuple[ListenerSpec, ...] = (ListenerSpec(),)
    defaults: ClusterDefaults = field(default_factory=ClusterDefaults)
    timeout_s: float | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A configuration: a table for each listener, in their order, and the clusters by name."""

    tables: tuple[RouteTable, ...] = (EMPTY_TABLE,)
    clusters: Mapping[str, ClusterPlan] = field(default_factory=dict)
    normalise: Normalise = base


def compile_snapshot(objects: MeshObjects, spec: ProxySpec, kept: Kept | None = None) -> Snapshot:
    """The configuration that these objects make for that proxy.

    `kept` is the same for every compilation for a proxy: what did not change since the last is not compiled again.
    """
    kept = kept or Kept()
    kept.begin()
    pods = {Key(pod.metadata.namespace, pod.metadata.name): pod for pod in objects.pods}
    registry = Registry(
        [
            *services_of(oldest_first(objects.services), objects.endpoint_slices, pods, kept),
            *service_entries_of(oldest_first(objects.service_entries), objects.resolved),
        ]
    )
    policies = PolicyIndex(oldest_first(objects.destination_rules), spec.proxy, kept)
    source = TableSource(
        virtual_services=tuple(ready(oldest_first(objects.virtual_services), kept)),
        gateways=tuple(oldest_first(objects.gateways)),
        registry=registry,
        policies=policies,
        proxy=spec.proxy,
        mesh=spec.mesh,
        timeout_s=spec.timeout_s,
        kept=kept,
    )
    return Snapshot(
        tables=tuple(compile_table(listener, source) for listener in spec.listeners),
        clusters=compile_clusters(registry, policies, spec.defaults, kept),
        normalise=spec.mesh.normalise,
    )


M = TypeVar("M", bound=HasMeta)


def oldest_first(objects: Iterable[M]) -> list[M]:
    """By creation, then name, then namespace: Istio's order of precedence."""
    return sorted(objects, key=_age)


def _age(obj: HasMeta) -> tuple[str, str, str]:
    return obj.metadata.creation_timestamp, obj.metadata.name, obj.metadata.namespace
