"""Sidecar: what workloads take in and may reach."""

from meshsim.api.decode import Wire
from meshsim.api.meta import ObjectMeta
from meshsim.api.networking.destination_rule import ConnectionPool
from meshsim.api.networking.gateway import ServerTls
from meshsim.api.networking.values import Destination, WorkloadSelector


class SidecarPort(Wire, frozen=True):
    """A port of a sidecar's listener; 0 belongs to a Unix domain socket."""

    number: int = 0
    protocol: str = ""
    name: str = ""
    target_port: int = 0


class IngressListener(Wire, frozen=True):
    """What a sidecar takes in on a port, and where the application waits for it."""

    port: SidecarPort | None = None
    bind: str = ""
    capture_mode: str = "DEFAULT"
    default_endpoint: str = ""
    tls: ServerTls | None = None
    connection_pool: ConnectionPool | None = None


class EgressListener(Wire, frozen=True):
    """Hosts that a sidecar may reach, `namespace/host`; without a port on all others."""

    port: SidecarPort | None = None
    bind: str = ""
    capture_mode: str = "DEFAULT"
    hosts: tuple[str, ...] = ()


class OutboundTrafficPolicy(Wire, frozen=True):
    """What happens to traffic for unknown hosts: REGISTRY_ONLY or ALLOW_ANY."""

    mode: str = "REGISTRY_ONLY"
    egress_proxy: Destination | None = None


class SidecarSpec(Wire, frozen=True):
    """What the selected workloads take in and may reach."""

    workload_selector: WorkloadSelector | None = None
    ingress: tuple[IngressListener, ...] = ()
    egress: tuple[EgressListener, ...] = ()
    inbound_connection_pool: ConnectionPool | None = None
    outbound_traffic_policy: OutboundTrafficPolicy | None = None


class Sidecar(Wire, frozen=True):
    """What workloads see of the mesh."""

    metadata: ObjectMeta = ObjectMeta()
    spec: SidecarSpec = SidecarSpec()
