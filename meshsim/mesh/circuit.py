"""A cluster's limits."""

from dataclasses import dataclass
from typing import Final

from meshsim.api.networking import ConnectionPool, HttpSettings, TcpSettings, seconds

UNLIMITED: Final = 2**32 - 1


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of each kind a cluster may have at once; what is over a limit is refused, connections wait."""

    max_connections: int = UNLIMITED
    max_pending_requests: int = UNLIMITED
    max_requests: int = UNLIMITED
    max_retries: int = UNLIMITED
    max_requests_per_connection: int = UNLIMITED
    connect_timeout_s: float = 10.0
    idle_timeout_s: float = 3600.0


def compile_limits(pool: ConnectionPool | None, connect_timeout_s: float, idle_timeout_s: float) -> Limits:
    """A cluster's limits; what its policy leaves out is unlimited, or the proxy's own default."""
    tcp = (pool.tcp if pool else None) or TcpSettings()
    http = (pool.http if pool else None) or HttpSettings()
    return Limits(
        max_connections=tcp.max_connections or UNLIMITED,
        max_pending_requests=http.http1_max_pending_requests or UNLIMITED,
        max_requests=http.http2_max_requests or UNLIMITED,
        max_retries=http.max_retries or UNLIMITED,
        max_requests_per_connection=http.max_requests_per_connection or UNLIMITED,
        connect_timeout_s=seconds(tcp.connect_timeout) or connect_timeout_s,
        idle_timeout_s=seconds(http.idle_timeout) or seconds(tcp.idle_timeout) or idle_timeout_s,
    )
