"""Istio's kinds as the CRDs write them: VirtualService, DestinationRule, Gateway, ServiceEntry, WorkloadEntry, Sidecar.

Everything is optional, as in protobuf: what may be absent is judged by `validate`, not here. `None` stands where an
absent field means something else than a zero one. Durations stay text; `seconds` reads them.
"""

from typing import Final

import msgspec

from meshsim.api.decode import Wire
from meshsim.api.meta import ObjectMeta
from meshsim.kit.durations import parse_go_duration

MESH_GATEWAY: Final = "mesh"
"""The reserved gateway name that stands for every sidecar."""

Duration = str
"""A duration as written: `1.5s`, `500ms`, `1h`."""


def seconds(duration: Duration | None) -> float | None:
    """Seconds in a duration; None for an absent one. Raises DurationError."""
    return parse_go_duration(duration) if duration else None


class StringMatch(Wire, frozen=True):
    """How a text is compared. At most one is set; none at all means that the text only has to be there."""

    exact: str | None = None
    prefix: str | None = None
    regex: str | None = None

    @property
    def is_presence(self) -> bool:
        """`{}`: no way of comparing is named."""
        return self.exact is None and self.prefix is None and self.regex is None


class PortSelector(Wire, frozen=True):
    """A Service's port."""

    number: int = 0


class Destination(Wire, frozen=True):
    """A host of the mesh, one of its subsets, one of its ports."""

    host: str = ""
    subset: str = ""
    port: PortSelector | None = None


NO_DESTINATION: Final = Destination()
"""Stands where a destination was left out; told by identity from one that says nothing (`destination: {}`)."""


class HeaderOperations(Wire, frozen=True):
    """What happens to the headers of a request or a response."""

    set: dict[str, str] = {}
    add: dict[str, str] = {}
    remove: tuple[str, ...] = ()


class Headers(Wire, frozen=True):
    """Header operations on the way up and on the way down."""

    request: HeaderOperations | None = None
    response: HeaderOperations | None = None


class HttpRouteDestination(Wire, frozen=True):
    """One weighted destination; an absent weight counts as 0 when there are several."""

    destination: Destination = NO_DESTINATION
    weight: int | None = None
    headers: Headers | None = None


class HttpMatch(Wire, frozen=True):
    """One entry of `match`: all of its fields must hold (HTTPMatchRequest)."""

    name: str = ""
    uri: StringMatch | None = None
    scheme: StringMatch | None = None
    method: StringMatch | None = None
    authority: StringMatch | None = None
    headers: dict[str, StringMatch] = {}
    without_headers: dict[str, StringMatch] = {}
    query_params: dict[str, StringMatch] = {}
    ignore_uri_case: bool = False
    port: int = 0
    source_labels: dict[str, str] = {}
    source_namespace: str = ""
    gateways: tuple[str, ...] = ()
    stat_prefix: str = ""


class Redirect(Wire, frozen=True):
    """An answer that sends the client elsewhere (HTTPRedirect)."""

    uri: str = ""
    prefix_rewrite: str = ""
    authority: str = ""
    scheme: str = ""
    port: int | None = None
    derive_port: str | None = None
    redirect_code: int = 0


class DirectResponseBody(Wire, frozen=True):
    """A fixed body: text, or base64."""

    string: str | None = None
    bytes: str | None = None


class DirectResponse(Wire, frozen=True):
    """A fixed answer (HTTPDirectResponse)."""

    status: int = 0
    body: DirectResponseBody | None = None


class Delegate(Wire, frozen=True):
    """The VirtualService that holds the routes; the namespace is the root's when empty."""

    name: str = ""
    namespace: str = ""


class RegexRewrite(Wire, frozen=True):
    """A rewrite of all occurrences of an RE2 pattern in the path."""

    match: str = ""
    rewrite: str = ""


class Rewrite(Wire, frozen=True):
    """A change of path or authority before a request is sent up (HTTPRewrite)."""

    uri: str = ""
    authority: str = ""
    uri_regex_rewrite: RegexRewrite | None = None


class Retries(Wire, frozen=True):
    """When and how often a request is sent again (HTTPRetry)."""

    attempts: int = 0
    per_try_timeout: Duration | None = None
    retry_on: str = ""
    retry_remote_localities: bool | None = None
    retry_ignore_previous_hosts: bool | None = None
    backoff: Duration | None = None


class Percent(Wire, frozen=True):
    """0 to 100."""

    value: float = 0.0


class Delay(Wire, frozen=True):
    """A fault that holds requests back. An absent percentage means all of them."""

    fixed_delay: Duration | None = None
    exponential_delay: Duration | None = None
    percentage: Percent | None = None
    percent: int = 0
    """Deprecated, whole numbers; counts only when `percentage` is absent."""


class Abort(Wire, frozen=True):
    """A fault that answers instead of the upstream. An absent percentage means all requests."""

    http_status: int | None = None
    grpc_status: str | None = None
    http2_error: str | None = None
    percentage: Percent | None = None


class Fault(Wire, frozen=True):
    """Faults of a route (HTTPFaultInjection)."""

    delay: Delay | None = None
    abort: Abort | None = None


class Mirror(Wire, frozen=True):
    """A destination that gets copies; an absent percentage means all requests (HTTPMirrorPolicy)."""

    destination: Destination = NO_DESTINATION
    percentage: Percent | None = None


class CorsPolicy(Wire, frozen=True):
    """Cross-origin resource sharing. `allow_origin` is the deprecated list of exact origins."""

    allow_origins: tuple[StringMatch, ...] = ()
    allow_origin: tuple[str, ...] = ()
    allow_methods: tuple[str, ...] = ()
    allow_headers: tuple[str, ...] = ()
    expose_headers: tuple[str, ...] = ()
    max_age: Duration | None = None
    allow_credentials: bool | None = None
    unmatched_preflights: str = "UNSPECIFIED"


class HttpRoute(Wire, frozen=True):
    """One rule of `http`. `match` entries are alternatives; no entry matches everything."""

    name: str = ""
    match: tuple[HttpMatch, ...] = ()
    route: tuple[HttpRouteDestination, ...] = ()
    redirect: Redirect | None = None
    direct_response: DirectResponse | None = None
    delegate: Delegate | None = None
    rewrite: Rewrite | None = None
    timeout: Duration | None = None
    retries: Retries | None = None
    fault: Fault | None = None
    mirror: Destination | None = None
    mirror_percentage: Percent | None = None
    mirror_percent: int | None = None
    """Deprecated, whole numbers; counts only when `mirror_percentage` is absent."""
    mirror_percent_snake: int | None = msgspec.field(default=None, name="mirror_percent")
    """`mirror_percent` under its older wire name."""
    mirrors: tuple[Mirror, ...] = ()
    cors_policy: CorsPolicy | None = None
    headers: Headers | None = None


class L4Match(Wire, frozen=True):
    """One entry of a TCP route's `match` (L4MatchAttributes)."""

    destination_subnets: tuple[str, ...] = ()
    port: int = 0
    source_subnet: str = ""
    source_labels: dict[str, str] = {}
    source_namespace: str = ""
    gateways: tuple[str, ...] = ()


class TlsMatch(Wire, frozen=True):
    """One entry of a TLS route's `match` (TLSMatchAttributes)."""

    sni_hosts: tuple[str, ...] = ()
    destination_subnets: tuple[str, ...] = ()
    port: int = 0
    source_labels: dict[str, str] = {}
    source_namespace: str = ""
    gateways: tuple[str, ...] = ()


class RouteDestination(Wire, frozen=True):
    """One weighted destination of a TCP or TLS route."""

    destination: Destination = NO_DESTINATION
    weight: int | None = None


class TcpRoute(Wire, frozen=True):
    """One rule of `tcp`."""

    match: tuple[L4Match, ...] = ()
    route: tuple[RouteDestination, ...] = ()


class TlsRoute(Wire, frozen=True):
    """One rule of `tls`."""

    match: tuple[TlsMatch, ...] = ()
    route: tuple[RouteDestination, ...] = ()


class VirtualServiceSpec(Wire, frozen=True):
    """Hosts and how their traffic is routed. No `gateways` means the mesh's sidecars."""

    hosts: tuple[str, ...] = ()
    gateways: tuple[str, ...] = ()
    http: tuple[HttpRoute, ...] = ()
    tls: tuple[TlsRoute, ...] = ()
    tcp: tuple[TcpRoute, ...] = ()
    export_to: tuple[str, ...] = ()


class VirtualService(Wire, frozen=True):
    """Routing rules of hosts."""

    metadata: ObjectMeta = ObjectMeta()
    spec: VirtualServiceSpec = VirtualServiceSpec()


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
    consecutive_5xx_errors: int | None = None
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


class WorkloadSelector(Wire, frozen=True):
    """Workloads by label (`matchLabels` in a DestinationRule)."""

    match_labels: dict[str, str] = {}
    labels: dict[str, str] = {}


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


class GatewayPort(Wire, frozen=True):
    """A port that a gateway listens on."""

    number: int = 0
    protocol: str = ""
    name: str = ""
    target_port: int = 0


class TlsCertificate(Wire, frozen=True):
    """A server certificate and its key, as files."""

    server_certificate: str = ""
    private_key: str = ""
    ca_certificates: str = ""


class ServerTls(Wire, frozen=True):
    """TLS of a gateway's server; `mode` is PASSTHROUGH, SIMPLE, MUTUAL, … (ServerTLSSettings)."""

    https_redirect: bool = False
    mode: str = "PASSTHROUGH"
    server_certificate: str = ""
    private_key: str = ""
    ca_certificates: str = ""
    credential_name: str = ""
    credential_names: tuple[str, ...] = ()
    subject_alt_names: tuple[str, ...] = ()
    min_protocol_version: str = "TLS_AUTO"
    max_protocol_version: str = "TLS_AUTO"
    cipher_suites: tuple[str, ...] = ()
    tls_certificates: tuple[TlsCertificate, ...] = ()
    ca_crl: str = ""


class Server(Wire, frozen=True):
    """One listener of a gateway and the hosts it serves."""

    port: GatewayPort | None = None
    bind: str = ""
    hosts: tuple[str, ...] = ()
    tls: ServerTls | None = None
    default_endpoint: str = ""
    name: str = ""


class GatewaySpec(Wire, frozen=True):
    """What the selected gateways listen on."""

    servers: tuple[Server, ...] = ()
    selector: dict[str, str] = {}


class Gateway(Wire, frozen=True):
    """Ports and hosts at the edge of the mesh."""

    metadata: ObjectMeta = ObjectMeta()
    spec: GatewaySpec = GatewaySpec()


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
