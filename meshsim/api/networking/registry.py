"""ServiceEntry and WorkloadEntry: services and endpoints that Kubernetes does not know."""

from meshsim.api.decode import Wire
from meshsim.api.meta import ObjectMeta
from meshsim.api.networking.values import WorkloadSelector


class WorkloadEntrySpec(Wire, frozen=True):
    """An endpoint outside Kubernetes; also an entry of a ServiceEntry's `endpoints`."""

    address: str = ""
    ports: dict[str, int] = {}
    labels: dict[str, str] = {}
    network: str = ""
    locality: str = ""
    weight: int = 0
    service_account: str = ""


class WorkloadEntry(Wire, frozen=True):
    """An endpoint outside Kubernetes."""

    metadata: ObjectMeta = ObjectMeta()
    spec: WorkloadEntrySpec = WorkloadEntrySpec()


class ServiceEntryPort(Wire, frozen=True):
    """A port of an entered service; `target_port` 0 means the same number."""

    number: int = 0
    protocol: str = ""
    name: str = ""
    target_port: int = 0


class ServiceEntrySpec(Wire, frozen=True):
    """A service that the registry doesn't know; `resolution` is NONE, STATIC, DNS or DNS_ROUND_ROBIN."""

    hosts: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    ports: tuple[ServiceEntryPort, ...] = ()
    location: str = "MESH_EXTERNAL"
    resolution: str = "NONE"
    endpoints: tuple[WorkloadEntrySpec, ...] = ()
    workload_selector: WorkloadSelector | None = None
    export_to: tuple[str, ...] = ()
    subject_alt_names: tuple[str, ...] = ()


class ServiceEntry(Wire, frozen=True):
    """A host added to the mesh's registry."""

    metadata: ObjectMeta = ObjectMeta()
    spec: ServiceEntrySpec = ServiceEntrySpec()
