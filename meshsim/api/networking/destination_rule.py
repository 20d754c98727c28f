"""DestinationRule: what happens to traffic after it was routed to a host."""

import msgspec

from meshsim.api.decode import Wire
from meshsim.api.meta import ObjectMeta
from meshsim.api.networking.values import Duration, PortSelector, WorkloadSelector, keep_last


class HttpCookieAttribute(Wire, frozen=True):
    """One attribute of a generated cookie."""

    name: str = ""
    value: str = ""


class HttpCookie(Wire, frozen=True):
    """The cookie to hash by. It is generated when absent and a `ttl` is named; 0 is a session cookie."""

    name: str = ""
    path: str = ""
    ttl: Duration | None = None
    attributes: tuple[HttpCookieAttribute, ...] = ()


class RingHash(Wire, frozen=True):
    """The ketama ring."""

    minimum_ring_size: int | None = None


class Maglev(Wire, frozen=True):
    """The Maglev table."""

    table_size: int | None = None


class ConsistentHash(Wire, frozen=True):
    """What is hashed to choose a host, and by which algorithm."""

    http_header_name: str | None = None
    http_cookie: HttpCookie | None = None
    use_source_ip: bool | None = None
    http_query_parameter_name: str | None = None
    ring_hash: RingHash | None = None
    maglev: Maglev | None = None
    minimum_ring_size: int | None = None
    """Deprecated: `ring_hash.minimum_ring_size`."""

    def __post_init__(self) -> None:
        keep_last(self, "http_header_name", "http_cookie", "use_source_ip", "http_query_parameter_name")
        keep_last(self, "ring_hash", "maglev")


class LocalityDistribute(Wire, frozen=True):
    """Which share of a locality's traffic goes where, in percent."""

    from_: str = msgspec.field(default="", name="from")
    to: dict[str, int] = {}


class LocalityFailover(Wire, frozen=True):
    """Where a region's traffic goes when the region is down."""

    from_: str = msgspec.field(default="", name="from")
    to: str = ""


class LocalityLbSetting(Wire, frozen=True):
    """Locality-weighted balancing."""

    distribute: tuple[LocalityDistribute, ...] = ()
    failover: tuple[LocalityFailover, ...] = ()
    failover_priority: tuple[str, ...] = ()
    enabled: bool | None = None


class Warmup(Wire, frozen=True):
    """A new host's share grows over `duration`, from `minimum_percent`."""

    duration: Duration | None = None
    minimum_percent: float | None = None
    aggression: float | None = None


class ZoneAwareLbSetting(Wire, frozen=True):
    """Zone-aware balancing."""

    enabled: bool | None = None
    failover: tuple[LocalityFailover, ...] = ()
    failover_priority: tuple[str, ...] = ()
    min_cluster_size: int | None = None


class LoadBalancer(Wire, frozen=True):
    """How a host of a cluster is chosen; `simple` is UNSPECIFIED, ROUND_ROBIN, LEAST_REQUEST, RANDOM, …"""

    simple: str | None = None
    consistent_hash: ConsistentHash | None = None
    locality_lb_setting: LocalityLbSetting | None = None
    zone_aware_lb_setting: ZoneAwareLbSetting | None = None
    warmup_duration_secs: Duration | None = None
    warmup: Warmup | None = None

    def __post_init__(self) -> None:
        keep_last(self, "simple", "consistent_hash")


class TcpKeepalive(Wire, frozen=True):
    """SO_KEEPALIVE."""

    probes: int = 0
    time: Duration | None = None
    interval: Duration | None = None


class TcpSettings(Wire, frozen=True):
    """Connections of a cluster; 0 means no limit."""

    max_connections: int = 0
    connect_timeout: Duration | None = None
    tcp_keepalive: TcpKeepalive | None = None
    max_connection_duration: Duration | None = None
    idle_timeout: Duration | None = None


class KeepAlive(Wire, frozen=True):
    """Pings on HTTP/2 connections."""

    interval: Duration | None = None
    timeout: Duration | None = None


class HttpSettings(Wire, frozen=True):
    """Requests of a cluster; 0 means no limit."""

    http1_max_pending_requests: int = 0
    http2_max_requests: int = 0
    max_requests_per_connection: int = 0
    max_retries: int = 0
    idle_timeout: Duration | None = None
    h2_upgrade_policy: str = "DEFAULT"
    use_client_protocol: bool = False
    max_concurrent_streams: int = 0
    http2_keep_alive: KeepAlive | None = None


class ConnectionPool(Wire, frozen=True):
    """Limits of a cluster (ConnectionPoolSettings)."""

    tcp: TcpSettings | None = None
    http: HttpSettings | None = None


class OutlierDetection(Wire, frozen=True):
    """When a host is taken out for a while. Absent counters have Envoy's defaults, 0 switches one off."""

    split_external_local_origin_errors: bool = False
    consecutive_local_origin_failures: int | None = None
    consecutive_gateway_errors: int | None = None
    consecutive_5xx_errors: int | None = msgspec.field(default=None, name="consecutive5xxErrors")
    consecutive_errors: int = 0
    """Deprecated and without effect."""
    interval: Duration | None = None
    base_ejection_time: Duration | None = None
    max_ejection_percent: int = 0
    min_health_percent: int = 0
    outlier_detection_http_error_codes: tuple[int, ...] = ()


class ClientTls(Wire, frozen=True):
    """TLS towards a host; `mode` is DISABLE, SIMPLE, MUTUAL or ISTIO_MUTUAL (ClientTLSSettings)."""

    mode: str = "DISABLE"
    client_certificate: str = ""
    private_key: str = ""
    ca_certificates: str = ""
    credential_name: str = ""
    subject_alt_names: tuple[str, ...] = ()
    sni: str = ""
    insecure_skip_verify: bool | None = None
    ca_crl: str = ""


class Tunnel(Wire, frozen=True):
    """Traffic is tunnelled through the host to a target."""

    protocol: str = ""
    target_host: str = ""
    target_port: int = 0


class ProxyProtocol(Wire, frozen=True):
    """The PROXY protocol towards a host."""

    version: str = "V1"


class RetryBudget(Wire, frozen=True):
    """How many retries may run beside the requests in flight."""

    percent: float | None = None
    min_retry_concurrency: int = 0
    budget_interval: Duration | None = None


class PortTrafficPolicy(Wire, frozen=True):
    """The policy of one port; what it leaves out is the default, not the policy above it."""

    port: PortSelector | None = None
    load_balancer: LoadBalancer | None = None
    connection_pool: ConnectionPool | None = None
    outlier_detection: OutlierDetection | None = None
    tls: ClientTls | None = None


class TrafficPolicy(Wire, frozen=True):
    """How a host's clusters behave."""

    load_balancer: LoadBalancer | None = None
    connection_pool: ConnectionPool | None = None
    outlier_detection: OutlierDetection | None = None
    tls: ClientTls | None = None
    port_level_settings: tuple[PortTrafficPolicy, ...] = ()
    tunnel: Tunnel | None = None
    proxy_protocol: ProxyProtocol | None = None
    retry_budget: RetryBudget | None = None


class Subset(Wire, frozen=True):
    """A version of a host: the pods with these labels."""

    name: str = ""
    labels: dict[str, str] = {}
    traffic_policy: TrafficPolicy | None = None


class DestinationRuleSpec(Wire, frozen=True):
    """A host's subsets and policies."""

    host: str = ""
    traffic_policy: TrafficPolicy | None = None
    subsets: tuple[Subset, ...] = ()
    export_to: tuple[str, ...] = ()
    workload_selector: WorkloadSelector | None = None


class DestinationRule(Wire, frozen=True):
    """What happens to traffic after it was routed to a host."""

    metadata: ObjectMeta = ObjectMeta()
    spec: DestinationRuleSpec = DestinationRuleSpec()
