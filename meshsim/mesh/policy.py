"""Which DestinationRule rules a service for a proxy, and what of it reaches one cluster."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial, reduce

from meshsim.api.meta import selects
from meshsim.api.networking import (
    ClientTls,
    ConnectionPool,
    ConsistentHash,
    DestinationRule,
    LoadBalancer,
    OutlierDetection,
    PortTrafficPolicy,
    Subset,
    TrafficPolicy,
)
from meshsim.mesh.identity import Identity
from meshsim.mesh.kept import Kept
from meshsim.mesh.names import (
    DEFAULT_NAMESPACE,
    ROOT_NAMESPACE,
    host_matches,
    is_visible,
    qualified_host,
    specificity,
)
from meshsim.mesh.services import MeshService
from meshsim.mesh.steps import Steps


@dataclass(frozen=True, slots=True)
class HostPolicy:
    """The merged rules of one host."""

    host: str
    traffic_policy: TrafficPolicy | None = None
    subsets: tuple[Subset, ...] = ()

    def subset(self, name: str) -> Subset | None:
        """The subset of that name."""
        return next((subset for subset in self.subsets if subset.name == name), None)


NO_POLICY = HostPolicy("")


@dataclass(frozen=True, slots=True)
class ClusterPolicy:
    """What applies to one subset's port."""

    load_balancer: LoadBalancer | None = None
    connection_pool: ConnectionPool | None = None
    outlier_detection: OutlierDetection | None = None
    tls: ClientTls | None = None


class PolicyIndex:
    """The policies that a proxy may be ruled by, each namespace's apart."""

    def __init__(self, policies: Mapping[str, Iterable[HostPolicy]], proxy: Identity) -> None:
        """The policies of each namespace, older first."""
        self._proxy = proxy
        self._by_namespace = {namespace: _HostIndex(listed) for namespace, listed in policies.items()}

    def of(self, service: MeshService) -> HostPolicy:
        """The policy of a service: the proxy's own namespace before the service's before the root."""
        own, root = self._proxy.namespace, ROOT_NAMESPACE
        levels = [*([own] if own != root else []), service.namespace, root]
        for namespace in levels:
            policies = self._by_namespace.get(namespace)
            found = None if policies is None else policies.best(service.host)
            if found is not None:
                return found
        return NO_POLICY


def compile_policies(rules: Iterable[DestinationRule], proxy: Identity, kept: Kept) -> Steps[PolicyIndex]:
    """The rules that a proxy may be ruled by, merged by host. They come oldest first."""
    by_host: dict[tuple[str, str, tuple[str, ...]], list[DestinationRule]] = {}
    for rule, where in (yield from kept.each("where", partial(_where, proxy), rules)):
        if where is not None:
            by_host.setdefault(where, []).append(rule)
    yield
    policies: dict[str, list[HostPolicy]] = {}
    for (namespace, host, _), merged in by_host.items():
        if kept.is_step():
            yield
        policy = kept.of("policy", tuple(merged), partial(reduce, _merged, merged, HostPolicy(host)))
        policies.setdefault(namespace, []).append(policy)
    return PolicyIndex(policies, proxy)


def _where(proxy: Identity, rule: DestinationRule) -> tuple[DestinationRule, tuple[str, str, tuple[str, ...]] | None]:
    """A rule with its namespace, host and exportTo, which merge; None where it doesn't rule the proxy."""
    spec, namespace = rule.spec, rule.metadata.namespace or DEFAULT_NAMESPACE
    selects_proxy = spec.workload_selector is None or selects(spec.workload_selector.match_labels, proxy.labels)
    if not selects_proxy or not (
        namespace == proxy.namespace or is_visible(spec.export_to, namespace, proxy.namespace)
    ):
        return rule, None
    return rule, (namespace, qualified_host(spec.host, namespace), spec.export_to)


@dataclass(frozen=True, slots=True, eq=False)
class Ruled:
    """A service and the policy that holds for it."""

    service: MeshService
    policy: HostPolicy


def ruled_services(services: Iterable[MeshService], policies: PolicyIndex, kept: Kept) -> Steps[dict[str, Ruled]]:
    """Every service with its policy, by host and in their order."""
    ruled: dict[str, Ruled] = {}
    for service in services:
        if kept.is_step():
            yield
        policy = policies.of(service)
        ruled[service.host] = kept.of("ruled", (service, policy), partial(Ruled, service, policy))
    return ruled


class _HostIndex:
    """The policies of one namespace, found by host: the exact one before the longest wildcard, older first."""

    def __init__(self, policies: Iterable[HostPolicy]) -> None:
        self._exact: dict[str, HostPolicy] = {}
        for policy in policies:
            self._exact.setdefault(policy.host, policy)
        wildcards = [policy for policy in self._exact.values() if policy.host.startswith("*")]
        self._wildcards = sorted(wildcards, key=lambda policy: specificity(policy.host), reverse=True)

    def best(self, host: str) -> HostPolicy | None:
        """The policy whose host fits best."""
        exact = self._exact.get(host)
        if exact is not None:
            return exact
        return next((policy for policy in self._wildcards if host_matches(policy.host, host)), None)


def _merged(older: HostPolicy, rule: DestinationRule) -> HostPolicy:
    known = {subset.name for subset in older.subsets}
    return HostPolicy(
        older.host,
        older.traffic_policy or rule.spec.traffic_policy,
        older.subsets + tuple(subset for subset in rule.spec.subsets if subset.name not in known),
    )


def cluster_policy(policy: HostPolicy, subset: Subset | None, port: int) -> ClusterPolicy:
    """The blocks that reach a subset's port: whole blocks override, nothing is merged within one."""
    host_level = _port_level(policy.traffic_policy, port) or policy.traffic_policy
    blocks = _blocks(host_level)
    if subset is None or subset.traffic_policy is None:
        return blocks
    port_level = _port_level(subset.traffic_policy, port)
    if port_level is not None:
        return _blocks(port_level)
    own = _blocks(subset.traffic_policy)
    return ClusterPolicy(
        own.load_balancer or blocks.load_balancer,
        own.connection_pool or blocks.connection_pool,
        own.outlier_detection or blocks.outlier_detection,
        own.tls or blocks.tls,
    )


def route_hash(policy: HostPolicy, subset: Subset | None, named_port: int | None) -> ConsistentHash | None:
    """What a route to that destination hashes; port-level settings count only when the destination names its port."""
    levels: list[TrafficPolicy | PortTrafficPolicy | None] = []
    for traffic_policy in (subset.traffic_policy if subset else None, policy.traffic_policy):
        if named_port is not None:
            levels.append(_port_level(traffic_policy, named_port))
        levels.append(traffic_policy)
    for level in levels:
        if level is not None and level.load_balancer is not None and level.load_balancer.consistent_hash is not None:
            return level.load_balancer.consistent_hash
    return None


def _port_level(policy: TrafficPolicy | None, port: int) -> PortTrafficPolicy | None:
    settings = policy.port_level_settings if policy else ()
    return next((entry for entry in settings if entry.port and entry.port.number == port), None)


def _blocks(policy: TrafficPolicy | PortTrafficPolicy | None) -> ClusterPolicy:
    if policy is None:
        return ClusterPolicy()
    return ClusterPolicy(policy.load_balancer, policy.connection_pool, policy.outlier_detection, policy.tls)
