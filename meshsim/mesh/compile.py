"""Configuration, compiled: the mesh's objects become one frozen snapshot that proxies swap in whole."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from meshsim.api.core import EndpointSlice, Pod, Service
from meshsim.api.meta import HasMeta
from meshsim.api.networking import DestinationRule, Gateway, ServiceEntry, VirtualService
from meshsim.mesh.clusters import ClusterDefaults, ClusterPlan, compile_clusters
from meshsim.mesh.endpoints import EndpointObjects, Endpoints, compile_endpoints
from meshsim.mesh.identity import Identity, ListenerSpec, MeshConfig
from meshsim.mesh.kept import Kept, Stage
from meshsim.mesh.normalise import Normalise, base
from meshsim.mesh.policy import PolicyIndex, Ruled, compile_policies, ruled_services
from meshsim.mesh.reachable import Reachable, compile_reachable
from meshsim.mesh.route import EMPTY_TABLE, RouteTable
from meshsim.mesh.services import MeshService, compile_services, seen_by
from meshsim.mesh.source import TableSource
from meshsim.mesh.steps import Steps, finished
from meshsim.mesh.tables import compile_table
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
        self._services: Stage[tuple[MeshService, ...]] = Stage()
        self._endpoints: Stage[dict[str, Endpoints]] = Stage()
        self._policies: Stage[PolicyIndex] = Stage()
        self._ruled: Stage[dict[str, Ruled]] = Stage()
        self._reachable: Stage[Reachable] = Stage()
        self._tables: Stage[tuple[RouteTable, ...]] = Stage()
        self._clusters: Stage[dict[str, ClusterPlan]] = Stage()

    def compile(self, objects: MeshObjects) -> Steps[Snapshot]:
        """As `compile_snapshot` does, in steps of a fraction of a millisecond.

        Endpoints are apart from services: they come and go, and no route depends on them.
        """
        spec, proxy = self._spec, self._spec.proxy
        named = (*objects.services, *objects.service_entries)
        services = yield from self._services.of(named, partial(_services, objects, proxy))
        endpoints = yield from self._endpoints.of(
            (*named, *objects.endpoint_slices, *objects.pods, objects.resolved), partial(_endpoints, objects, proxy)
        )
        policies = yield from self._policies.of(objects.destination_rules, partial(_policies, objects, proxy))
        ruled = yield from self._ruled.of((*services, policies), partial(ruled_services, services, policies))
        reachable = yield from self._reachable.of(services, partial(compile_reachable, services, proxy))
        tables = yield from self._tables.of(
            (*objects.virtual_services, *objects.gateways, ruled, reachable),
            partial(_tables, objects, spec, ruled, reachable),
        )
        clusters = yield from self._clusters.of(
            (ruled, endpoints), partial(compile_clusters, ruled.values(), endpoints, spec.defaults)
        )
        return Snapshot(tables, clusters, spec.mesh.normalise)


def _named(objects: MeshObjects, proxy: Identity) -> tuple[list[Service], list[ServiceEntry]]:
    services = seen_by(proxy.namespace, oldest_first(objects.services))
    return services, seen_by(proxy.namespace, oldest_first(objects.service_entries))


def _services(objects: MeshObjects, proxy: Identity, kept: Kept) -> Steps[tuple[MeshService, ...]]:
    return compile_services(*_named(objects, proxy), kept)


def _endpoints(objects: MeshObjects, proxy: Identity, kept: Kept) -> Steps[dict[str, Endpoints]]:
    services, entries = _named(objects, proxy)
    ordered = EndpointObjects(
        services=services,
        slices=objects.endpoint_slices,
        pods=objects.pods,
        entries=entries,
        resolved=objects.resolved,
    )
    return compile_endpoints(ordered, kept)


def _policies(objects: MeshObjects, proxy: Identity, kept: Kept) -> Steps[PolicyIndex]:
    return compile_policies(oldest_first(objects.destination_rules), proxy, kept)


def _tables(
    objects: MeshObjects, spec: ProxySpec, ruled: Mapping[str, Ruled], reachable: Reachable, kept: Kept
) -> Steps[tuple[RouteTable, ...]]:
    source = TableSource(
        virtual_services=tuple((yield from ready(oldest_first(objects.virtual_services), kept))),
        gateways=tuple(oldest_first(objects.gateways)),
        services=ruled,
        reachable=reachable,
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
