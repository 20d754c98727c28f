"""Kubernetes' own kinds, as far as a canary needs them: Pod, Service, ReplicaSet, EndpointSlice.

Pod templates stay Objects: they are hashed, copied and compared whole.
"""

from typing import Final

import msgspec

from meshsim.api.decode import Object, Wire
from meshsim.api.meta import Condition, LabelSelector, ObjectMeta

SERVICE_NAME_LABEL: Final = "kubernetes.io/service-name"
"""On an EndpointSlice: the Service it belongs to."""
VERSION_LABEL: Final = "version"


class ContainerPort(Wire, frozen=True):
    """A port that a container listens on."""

    container_port: int
    name: str = ""
    protocol: str = "TCP"


class HttpGet(Wire, frozen=True):
    """A probe over HTTP; `port` is a number or a container port's name."""

    port: int | str
    path: str = "/"
    scheme: str = "HTTP"


class TcpSocket(Wire, frozen=True):
    """A probe that connects."""

    port: int | str


class Probe(Wire, frozen=True):
    """When a container is started, ready or alive. Defaults are Kubernetes'."""

    http_get: HttpGet | None = None
    tcp_socket: TcpSocket | None = None
    exec: Object | None = None
    initial_delay_seconds: int = 0
    period_seconds: int = 10
    timeout_seconds: int = 1
    success_threshold: int = 1
    failure_threshold: int = 3


class EnvVar(Wire, frozen=True):
    """One environment variable; `value_from` stays as written."""

    name: str
    value: str = ""
    value_from: Object | None = None


class EnvFrom(Wire, frozen=True):
    """Variables for all keys of a ConfigMap or a Secret; the references stay as written."""

    prefix: str = ""
    config_map_ref: Object | None = None
    secret_ref: Object | None = None


class VolumeMount(Wire, frozen=True):
    """Where a container finds a volume."""

    name: str
    mount_path: str


class Container(Wire, frozen=True):
    """One container of a pod."""

    name: str
    image: str = ""
    command: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    working_dir: str = ""
    env: tuple[EnvVar, ...] = ()
    env_from: tuple[EnvFrom, ...] = ()
    volume_mounts: tuple[VolumeMount, ...] = ()
    ports: tuple[ContainerPort, ...] = ()
    readiness_probe: Probe | None = None
    liveness_probe: Probe | None = None
    startup_probe: Probe | None = None
    lifecycle: Object | None = None
    resources: Object = {}
    stdin: bool = False
    stdin_once: bool = False
    tty: bool = False
    restart_policy: str = ""
    """Of an init container: `Always` makes it a sidecar, which runs beside the others."""

    @property
    def is_sidecar(self) -> bool:
        """It is an init container that goes on running."""
        return self.restart_policy == "Always"


class ReadinessGate(Wire, frozen=True):
    """A pod condition that must be True before the pod is Ready."""

    condition_type: str


class PodSpec(Wire, frozen=True):
    """What a pod runs."""

    containers: tuple[Container, ...] = ()
    init_containers: tuple[Container, ...] = ()
    readiness_gates: tuple[ReadinessGate, ...] = ()
    node_name: str = ""
    service_account_name: str = ""
    restart_policy: str = "Always"
    termination_grace_period_seconds: int = 30
    active_deadline_seconds: int | None = None

    @property
    def all_containers(self) -> tuple[Container, ...]:
        """The init containers, and then the others."""
        return (*self.init_containers, *self.containers)

    @property
    def sidecars(self) -> tuple[Container, ...]:
        """The init containers that go on running beside the others."""
        return tuple(container for container in self.init_containers if container.is_sidecar)

    @property
    def initializers(self) -> tuple[Container, ...]:
        """The init containers that run to their end."""
        return tuple(container for container in self.init_containers if not container.is_sidecar)


TERMINAL_PHASES: Final = ("Succeeded", "Failed")
"""The phases of a pod in which nothing runs any more, and nothing will."""


class PodStatus(Wire, frozen=True):
    """How a pod is. The statuses of its containers stay as written."""

    phase: str = "Pending"
    reason: str = ""
    message: str = ""
    pod_ip: str = msgspec.field(default="", name="podIP")
    start_time: str = ""
    conditions: tuple[Condition, ...] = ()
    container_statuses: tuple[Object, ...] = ()
    init_container_statuses: tuple[Object, ...] = ()


class Pod(Wire, frozen=True):
    """One running copy of a version."""

    metadata: ObjectMeta
    spec: PodSpec = PodSpec()
    status: PodStatus = PodStatus()

    @property
    def is_ready(self) -> bool:
        """Its Ready condition is True."""
        return any(c.type == "Ready" and c.status == "True" for c in self.status.conditions)

    @property
    def is_terminating(self) -> bool:
        """It was told to end."""
        return bool(self.metadata.deletion_timestamp)

    @property
    def is_active(self) -> bool:
        """It counts for what made it, as a replica or a Job's try: it has neither ended nor been told to."""
        return self.status.phase not in TERMINAL_PHASES and not self.is_terminating

    @property
    def version(self) -> str:
        """Its `version` label, else its first image's tag, else empty.

        The second is ours: Istio would say `unknown` (docs/fidelity.md).
        """
        return self.metadata.labels.get(VERSION_LABEL) or next(
            (image_tag(container.image) for container in self.spec.containers), ""
        )


class ServicePort(Wire, frozen=True):
    """A port of a Service and where it leads: a pod's port number or port name; absent means the same number."""

    port: int
    name: str = ""
    protocol: str = "TCP"
    app_protocol: str = ""
    target_port: int | str | None = None


class ServiceSpec(Wire, frozen=True):
    """Which pods a Service stands for."""

    selector: dict[str, str] = {}
    ports: tuple[ServicePort, ...] = ()
    cluster_ip: str = msgspec.field(default="", name="clusterIP")
    type: str = "ClusterIP"
    external_name: str = ""


class Service(Wire, frozen=True):
    """A name for the pods of a selector."""

    metadata: ObjectMeta
    spec: ServiceSpec = ServiceSpec()


class ReplicaSetSpec(Wire, frozen=True):
    """How many pods of which template."""

    selector: LabelSelector = LabelSelector()
    replicas: int = 1
    min_ready_seconds: int = 0
    template: Object = {}


class ReplicaSetStatus(Wire, frozen=True):
    """How many pods there are. Counters that are zero are absent on the wire."""

    replicas: int = 0
    fully_labeled_replicas: int = 0
    ready_replicas: int = 0
    available_replicas: int = 0
    observed_generation: int = 0
    conditions: tuple[Condition, ...] = ()


class ReplicaSet(Wire, frozen=True):
    """The pods of one version."""

    metadata: ObjectMeta
    spec: ReplicaSetSpec = ReplicaSetSpec()
    status: ReplicaSetStatus = ReplicaSetStatus()


class EndpointConditions(Wire, frozen=True):
    """Whether an endpoint may be sent traffic; absent means yes."""

    ready: bool | None = None
    serving: bool | None = None
    terminating: bool | None = None


class ObjectReference(Wire, frozen=True):
    """Points at another object."""

    kind: str = ""
    name: str = ""
    namespace: str = ""
    uid: str = ""


class Endpoint(Wire, frozen=True):
    """One pod behind a Service."""

    addresses: tuple[str, ...] = ()
    conditions: EndpointConditions = EndpointConditions()
    target_ref: ObjectReference | None = None
    node_name: str = ""


class EndpointPort(Wire, frozen=True):
    """A port that all endpoints of the slice serve; `name` is the Service port's."""

    port: int
    name: str = ""
    protocol: str = "TCP"
    app_protocol: str = ""


class EndpointSlice(Wire, frozen=True):
    """The endpoints of a Service. Each differing target port has a slice of its own."""

    metadata: ObjectMeta
    address_type: str = "IPv4"
    endpoints: tuple[Endpoint, ...] = ()
    ports: tuple[EndpointPort, ...] = ()


def image_tag(image: str) -> str:
    """The tag of an image reference, empty without one: `registry:5000/app:v1@sha256:…` → `v1`."""
    name = image.partition("@")[0].rpartition("/")[2]
    return name.partition(":")[2]
