"""VirtualService: which hosts are routed where, by what."""

import msgspec

from meshsim.api.decode import Wire
from meshsim.api.meta import ObjectMeta
from meshsim.api.networking.values import NO_DESTINATION, Destination, Duration, Percent, StringMatch, keep_last


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

    def __post_init__(self) -> None:
        keep_last(self, "port", "derive_port")


class DirectResponseBody(Wire, frozen=True):
    """A fixed body: text, or base64."""

    string: str | None = None
    bytes: str | None = None

    def __post_init__(self) -> None:
        keep_last(self, "string", "bytes")


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


class Delay(Wire, frozen=True):
    """A fault that holds requests back. An absent percentage means all of them."""

    fixed_delay: Duration | None = None
    exponential_delay: Duration | None = None
    percentage: Percent | None = None
    percent: int = 0
    """Deprecated, whole numbers; counts only when `percentage` is absent."""

    def __post_init__(self) -> None:
        keep_last(self, "fixed_delay", "exponential_delay")


class Abort(Wire, frozen=True):
    """A fault that answers instead of the upstream. An absent percentage means all requests."""

    http_status: int | None = None
    grpc_status: str | None = None
    http2_error: str | None = None
    percentage: Percent | None = None

    def __post_init__(self) -> None:
        keep_last(self, "http_status", "grpc_status", "http2_error")


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
