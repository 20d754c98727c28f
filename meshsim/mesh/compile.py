"""Configuration, compiled: the mesh's objects become one frozen snapshot that proxies swap in whole."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from meshsim.api.core import EndpointSlice, Pod, Service
from meshsim.api.meta import HasMeta, Key
from meshsim.api.networking import DestinationRule, Gateway, ServiceEntry, VirtualService
from meshsim.mesh.clusters import ClusterDefaults, ClusterPlan, compile_clusters
from meshsim.mesh.identity import Identity, ListenerSpec, MeshConfig
from meshsim.mesh.kept import Kept, Stage
from meshsim.mesh.normalise import Normalise, base
from meshsim.mesh.policy import PolicyIndex
from meshsim.mesh.registry import Registry, service_entries_of, services_of
from meshsim.mesh.route import EMPTY_TABLE, RouteTable
from meshsim.mesh.steps import Steps, finished, in_steps
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


def compile_snapshot(objects: MeshObjects, spec: ProxySpec) -> Snapshot:
    """The configuration that these objects make for that proxy."""
    return finished(Compiler(spec).compile(objects))


class Compiler:
    """Compiles for one proxy, again and again: what did not change since the last time is not compiled again."""

    def __init__(self, spec: ProxySpec) -> None:
        self._spec = spec
        self._registry: Stage[Registry] = Stage()
        self._policies: Stage[PolicyIndex] = Stage()
        self._tables: Stage[tuple[RouteTable, ...]] = Stage()
        self._clusters: Stage[dict[str, ClusterPlan]] = Stage()

    def compile(self, objects: MeshObjects) -> Steps[Snapshot]:
        """As `compile_snapshot` does, in steps of a fraction of a millisecond."""
        spec = self._spec
        registry = yield from self._registry.of(
            (*objects.services, *objects.endpoint_slices, *objects.pods, *objects.service_entries, objects.resolved),
            partial(_registry, objects),
        )
        yield
        policies = yield from self._policies.of(objects.destination_rules, partial(_policies, objects, spec))
        tables = yield from self._tables.of(
            (*objects.virtual_services, *objects.gateways, registry, policies),
            partial(_tables, objects, spec, registry, policies),
        )
        clusters = yield from self._clusters.of(
            (registry, policies), partial(compile_clusters, registry, policies, spec.defaults)
        )
        return Snapshot(tables, clusters, spec.mesh.normalise)


def _registry(objects: MeshObjects, kept: Kept) -> Steps[Registry]:
    pods = {Key(pod.metadata.namespace, pod.metadata.name): pod for pod in objects.pods}
    yield
    services = yield from in_steps(services_of(oldest_first(objects.services), objects.endpoint_slices, pods, kept))
    return Registry([*services, *service_entries_of(oldest_first(objects.service_entries), objects.resolved)])


def _policies(objects: MeshObjects, spec: ProxySpec, kept: Kept) -> Steps[PolicyIndex]:
    rules = oldest_first(objects.destination_rules)
    yield
    return PolicyIndex(rules, spec.proxy, kept)


def _tables(
    objects: MeshObjects, spec: ProxySpec, registry: Registry, policies: PolicyIndex, kept: Kept
) -> Steps[tuple[RouteTable, ...]]:
    source = TableSource(
        virtual_services=tuple((yield from ready(oldest_first(objects.virtual_services), kept))),
        gateways=tuple(oldest_first(objects.gateways)),
        registry=registry,
        policies=policies,
        proxy=spec.proxy,
        mesh=spec.mesh,
        timeout_s=spec.timeout_s,
        kept=kept,
    )
    tables: tuple[RouteTable, ...] = ()
    for listener in spec.listeners:
        tables += ((yield from compile_table(listener, source)),)
    return tables


M = TypeVar("M", bound=HasMeta)


def oldest_first(objects: Iterable[M]) -> list[M]:
    """By creation, then name, then namespace: Istio's order of precedence."""
    return sorted(objects, key=_age)


def _age(obj: HasMeta) -> tuple[str, str, str]:
    return obj.metadata.creation_timestamp, obj.metadata.name, obj.metadata.namespace
