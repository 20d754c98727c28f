"""Who the proxy is and what the mesh's configuration says."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from meshsim.api.decode import FieldError, Wire, decode
from meshsim.api.networking import Duration, Retries, seconds
from meshsim.kit.durations import DurationError
from meshsim.mesh.names import DEFAULT_NAMESPACE
from meshsim.mesh.normalise import NORMALISATIONS, Normalise


class Role(StrEnum):
    """How a listener treats its requests: as a gateway at the edge, as the sidecar of a workload, or as either."""

    GATEWAY = "gateway"
    SIDECAR = "sidecar"
    EITHER = "either"


@dataclass(frozen=True, slots=True)
class Identity:
    """The proxy's namespace and labels."""

    namespace: str = DEFAULT_NAMESPACE
    labels: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ListenerSpec:
    """A listener to compile routes for. `number` None is the one that serves every port."""

    number: int | None = None
    role: Role = Role.EITHER


class _GatewayTopology(Wire, frozen=True):
    num_trusted_proxies: int = 0


class _ProxyConfig(Wire, frozen=True):
    gateway_topology: _GatewayTopology = _GatewayTopology()


class _OutboundTrafficPolicy(Wire, frozen=True):
    mode: Literal["ALLOW_ANY", "ALLOW_ANY_DYNAMIC_DNS", "REGISTRY_ONLY"] = "ALLOW_ANY"


class _PathNormalization(Wire, frozen=True):
    normalization: Literal["NONE", "DEFAULT", "BASE", "MERGE_SLASHES", "DECODE_AND_MERGE_SLASHES"] = "DEFAULT"


class MeshConfig(Wire, frozen=True):
    """The parts of Istio's MeshConfig that routing depends on."""

    default_config: _ProxyConfig = _ProxyConfig()
    outbound_traffic_policy: _OutboundTrafficPolicy = _OutboundTrafficPolicy()
    path_normalization: _PathNormalization = _PathNormalization()
    default_http_retry_policy: Retries | None = None
    connect_timeout: Duration | None = None

    @property
    def trusted_proxies(self) -> int:
        """How many proxies in front of a gateway are believed."""
        return self.default_config.gateway_topology.num_trusted_proxies

    @property
    def is_registry_only(self) -> bool:
        """Sidecars refuse hosts that the registry doesn't know."""
        return self.outbound_traffic_policy.mode == "REGISTRY_ONLY"

    @property
    def normalise(self) -> Normalise:
        """How request paths are normalised."""
        return NORMALISATIONS[self.path_normalization.normalization]

    @property
    def connect_timeout_s(self) -> float | None:
        """How long a connection may take, for clusters that don't say."""
        return seconds(self.connect_timeout)


def mesh_config(obj: object) -> MeshConfig:
    """Read a MeshConfig. Raises FieldError."""
    mesh = decode(MeshConfig, obj)
    retries = mesh.default_http_retry_policy or Retries()
    for path, duration in (
        ("connectTimeout", mesh.connect_timeout),
        ("defaultHttpRetryPolicy.perTryTimeout", retries.per_try_timeout),
        ("defaultHttpRetryPolicy.backoff", retries.backoff),
    ):
        try:
            seconds(duration)
        except DurationError as error:
            raise FieldError(path, str(error)) from None
    return mesh
