"""Clusters: for each service, each port and each subset, its endpoints and how it behaves."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final

from meshsim.api.meta import selects
from meshsim.api.networking import LoadBalancer
from meshsim.mesh.circuit import Limits, compile_limits
from meshsim.mesh.endpoints import Endpoint, Endpoints
from meshsim.mesh.kept import Kept
from meshsim.mesh.names import cluster_name
from meshsim.mesh.outlier import OutlierPolicy, compile_outlier
from meshsim.mesh.policy import Ruled, cluster_policy
from meshsim.mesh.services import MeshPort
from meshsim.mesh.steps import Steps

DEFAULT_CONNECT_TIMEOUT_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class ServiceName:
    """A cluster's service as metrics name it."""

    host: str
    name: str
    namespace: str


@dataclass(frozen=True, slots=True)
class ClusterPlan:
    """What a cluster should be."""

    name: str
    service: ServiceName
    endpoints: tuple[Endpoint, ...]
    load_balancer: LoadBalancer | None
    limits: Limits
    outlier: OutlierPolicy | None
    tls_mode: str = "DISABLE"


@dataclass(frozen=True, slots=True)
class ClusterDefaults:
    """What clusters do that no DestinationRule says otherwise of."""

    connect_timeout_s: float = DEFAULT_CONNECT_TIMEOUT_S
    idle_timeout_s: float = 3600.0


def compile_clusters(
    services: Iterable[Ruled], endpoints: Mapping[str, Endpoints], defaults: ClusterDefaults, kept: Kept
) -> Steps[dict[str, ClusterPlan]]:
    """Every cluster, by name."""
    plans: dict[str, ClusterPlan] = {}
    for ruled in services:
        if kept.is_step():
            yield
        own = endpoints[ruled.service.host]
        plans.update(kept.of("clusters", (ruled, own), partial(_of_service, ruled, own, defaults)))
    return plans


def _of_service(ruled: Ruled, endpoints: Endpoints, defaults: ClusterDefaults) -> dict[str, ClusterPlan]:
    ports = zip(ruled.service.ports, endpoints, strict=True)
    return {plan.name: plan for port, own in ports for plan in _plans(ruled, port, own, defaults)}


def _plans(
    ruled: Ruled, port: MeshPort, endpoints: tuple[Endpoint, ...], defaults: ClusterDefaults
) -> Iterable[ClusterPlan]:
    service, policy = ruled.service, ruled.policy
    service_name = ServiceName(service.host, service.name, service.namespace)
    for subset in (None, *policy.subsets):
        effective = cluster_policy(policy, subset, port.number)
        labels = subset.labels if subset else {}
        yield ClusterPlan(
            name=cluster_name(port.number, subset.name if subset else "", service.host),
            service=service_name,
            endpoints=tuple(e for e in endpoints if selects(labels, dict(e.labels))) if labels else endpoints,
            load_balancer=effective.load_balancer,
            limits=compile_limits(effective.connection_pool, defaults.connect_timeout_s, defaults.idle_timeout_s),
            outlier=compile_outlier(effective.outlier_detection),
            tls_mode=effective.tls.mode if effective.tls else "DISABLE",
        )
