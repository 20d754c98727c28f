"""The traffic policies of DestinationRules, as Istio judges them."""

from typing import Final

from meshsim.api.networking import (
    ClientTls,
    ConnectionPool,
    ConsistentHash,
    HttpSettings,
    KeepAlive,
    LoadBalancer,
    OutlierDetection,
    PortTrafficPolicy,
    TcpSettings,
    TrafficPolicy,
    Tunnel,
    Warmup,
)
from meshsim.api.validate.durations import MILLISECOND_NS, check_duration
from meshsim.api.validate.findings import Finding, Findings, errors_only, warning
from meshsim.api.validate.gotext import nanoseconds, quote
from meshsim.api.validate.locality import check_locality_setting, check_zone_setting
from meshsim.api.validate.names import domain_error, ip_address_error, port_error


def check_traffic_policy(path: str, policy: TrafficPolicy | None, namespace: str) -> Findings:
    """A policy with everything in it; `namespace` is the rule's."""
    if policy is None:
        return
    if policy == TrafficPolicy():
        yield Finding(path, "traffic policy must have at least one field")
        return
    if policy.tunnel is not None and policy.proxy_protocol is not None:
        yield Finding(path, "tunnel and proxyProtocol must not be set together")
        return
    yield from _check_settings(path, policy, namespace)
    for index, port in enumerate(policy.port_level_settings):
        yield from errors_only(_check_port_policy(f"{path}.portLevelSettings[{index}]", port, namespace))
    yield from _check_tunnel(f"{path}.tunnel", policy.tunnel)
    if policy.proxy_protocol is not None and policy.proxy_protocol.version not in ("V1", "V2"):
        version = policy.proxy_protocol.version
        yield Finding(f"{path}.proxyProtocol.version", f"proxy protocol version is invalid: {version}")


def _check_settings(path: str, policy: TrafficPolicy | PortTrafficPolicy, namespace: str) -> Findings:
    yield from _check_outlier_detection(f"{path}.outlierDetection", policy.outlier_detection)
    yield from check_connection_pool(f"{path}.connectionPool", policy.connection_pool)
    yield from _check_load_balancer(f"{path}.loadBalancer", policy.load_balancer, policy.outlier_detection is not None)
    yield from _check_tls(f"{path}.tls", policy.tls, namespace)


def _check_port_policy(path: str, policy: PortTrafficPolicy, namespace: str) -> Findings:
    if policy.port is None:
        yield Finding(path, "portTrafficPolicy must have valid port")
    if policy == PortTrafficPolicy(port=policy.port):
        yield Finding(path, "port traffic policy must have at least one field")
    yield from _check_settings(path, policy, namespace)


def _check_tunnel(path: str, tunnel: Tunnel | None) -> Findings:
    if tunnel is None:
        return
    if tunnel.protocol not in ("", "CONNECT", "POST"):
        yield Finding(f"{path}.protocol", 'tunnel protocol must be "CONNECT" or "POST"')
    as_domain, as_address = domain_error(tunnel.target_host), ip_address_error(tunnel.target_host)
    if as_domain and as_address:
        text = f"tunnel target host must be valid FQDN or IP address: {as_domain}; {as_address}"
        yield Finding(f"{path}.targetHost", text)
    error = port_error(tunnel.target_port)
    if error:
        yield Finding(f"{path}.targetPort", f"tunnel target port is invalid: {error}")


def _check_outlier_detection(path: str, outlier: OutlierDetection | None) -> Findings:
    if outlier is None:
        return
    yield from check_duration(f"{path}.baseEjectionTime", outlier.base_ejection_time)
    if outlier.consecutive_errors:
        text = "outlier detection consecutive errors is deprecated, use consecutiveGatewayErrors or"
        yield warning(f"{path}.consecutiveErrors", f"{text} consecutive5xxErrors instead")
    if not outlier.split_external_local_origin_errors and outlier.consecutive_local_origin_failures:
        text = "outlier detection consecutive local origin failures is specified, but split external local origin"
        yield Finding(f"{path}.consecutiveLocalOriginFailures", f"{text} errors is set to false")
    yield from check_duration(f"{path}.interval", outlier.interval)
    yield from _check_percent(f"{path}.maxEjectionPercent", outlier.max_ejection_percent)
    yield from _check_percent(f"{path}.minHealthPercent", outlier.min_health_percent)


def _check_percent(path: str, percent: int) -> Findings:
    if not 0 <= percent <= 100:
        yield Finding(path, f"percentage {percent} is not in range 0..100")


def check_connection_pool(path: str, pool: ConnectionPool | None) -> Findings:
    """Limits of connections and requests."""
    if pool is None:
        return
    if pool.http is None and pool.tcp is None:
        yield Finding(path, "connection pool must have at least one field")
    if pool.http is not None:
        yield from _check_http_settings(f"{path}.http", pool.http)
    if pool.tcp is not None:
        yield from _check_tcp_settings(f"{path}.tcp", pool.tcp)


def _check_http_settings(path: str, http: HttpSettings) -> Findings:
    yield from _check_limit(
        f"{path}.http1MaxPendingRequests", "http1 max pending requests", http.http1_max_pending_requests
    )
    yield from _check_limit(f"{path}.http2MaxRequests", "http2 max requests", http.http2_max_requests)
    yield from _check_limit(
        f"{path}.maxRequestsPerConnection", "max requests per connection", http.max_requests_per_connection
    )
    yield from _check_limit(f"{path}.maxRetries", "max retries", http.max_retries)
    yield from check_duration(f"{path}.idleTimeout", http.idle_timeout)
    if http.h2_upgrade_policy == "UPGRADE" and http.use_client_protocol:
        yield Finding(path, "use client protocol must not be true when H2UpgradePolicy is UPGRADE")
    yield from _check_limit(f"{path}.maxConcurrentStreams", "max concurrent streams", http.max_concurrent_streams)
    yield from _check_keep_alive(f"{path}.http2KeepAlive", http.http2_keep_alive)


def _check_keep_alive(path: str, keep_alive: KeepAlive | None) -> Findings:
    if keep_alive is None:
        return
    for name, duration in (("interval", keep_alive.interval), ("timeout", keep_alive.timeout)):
        if duration is None:
            yield Finding(path, f"http2 keepalive {name} is required")
        yield from check_duration(f"{path}.{name}", duration)


def _check_tcp_settings(path: str, tcp: TcpSettings) -> Findings:
    yield from _check_limit(f"{path}.maxConnections", "max connections", tcp.max_connections)
    yield from check_duration(f"{path}.connectTimeout", tcp.connect_timeout)
    yield from check_duration(f"{path}.maxConnectionDuration", tcp.max_connection_duration)
    # 0 switches the timeout off, and whatever rounds to 0 milliseconds with it.
    if tcp.idle_timeout is not None and abs(nanoseconds(tcp.idle_timeout)) >= MILLISECOND_NS:
        yield from check_duration(f"{path}.idleTimeout", tcp.idle_timeout)
    if tcp.tcp_keepalive is not None:
        yield from check_duration(f"{path}.tcpKeepalive.time", tcp.tcp_keepalive.time)
        yield from check_duration(f"{path}.tcpKeepalive.interval", tcp.tcp_keepalive.interval)


def _check_limit(path: str, name: str, limit: int) -> Findings:
    if limit < 0:
        yield Finding(path, f"{name} must be non-negative")


def _check_load_balancer(path: str, balancer: LoadBalancer | None, has_outlier: bool) -> Findings:
    if balancer is None:
        return
    if balancer.consistent_hash is not None:
        yield from _check_consistent_hash(f"{path}.consistentHash", balancer.consistent_hash)
    if balancer.locality_lb_setting is not None and balancer.zone_aware_lb_setting is not None:
        yield Finding(path, "only one of localityLbSetting and zoneAwareLbSetting can be set")
    yield from check_locality_setting(f"{path}.localityLbSetting", balancer.locality_lb_setting, has_outlier)
    yield from check_zone_setting(f"{path}.zoneAwareLbSetting", balancer.zone_aware_lb_setting, has_outlier)
    yield from _check_warmup(f"{path}.warmup", balancer.warmup)


_MAGLEV_LIMIT: Final = 5000011
_WITNESSES: Final = (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37)


def _check_consistent_hash(path: str, consistent_hash: ConsistentHash) -> Findings:
    yield from _check_cookie(f"{path}.httpCookie", consistent_hash)
    if consistent_hash.minimum_ring_size:
        text = "consistent hash MinimumRingSize is deprecated, use ConsistentHashLB's RingHash configuration instead"
        yield warning(f"{path}.minimumRingSize", text)
        if consistent_hash.ring_hash is not None or consistent_hash.maglev is not None:
            yield Finding(path, "only one of MinimumRingSize or Maglev/Ringhash can be specified")
    if consistent_hash.maglev is not None:
        at, size = f"{path}.maglev.tableSize", consistent_hash.maglev.table_size or 0
        if size == 0:
            yield Finding(at, "tableSize must be set for maglev")
        if size >= _MAGLEV_LIMIT:
            yield Finding(at, "tableSize must be less than 5000011 for maglev")
        if not _is_prime(size):
            yield Finding(at, "tableSize must be a prime number for maglev")


def _check_cookie(path: str, consistent_hash: ConsistentHash) -> Findings:
    cookie = consistent_hash.http_cookie
    if cookie is None:
        return
    if not cookie.name:
        yield Finding(path, "name required for HttpCookie")
    seen: set[str] = set()
    for index, attribute in enumerate(cookie.attributes):
        if not attribute.name:
            yield Finding(f"{path}.attributes[{index}]", "cookie attribute name cannot be empty")
        elif attribute.name in seen:
            text = f"duplicate cookie attribute name: {attribute.name}"
            yield Finding(f"{path}.attributes[{index}].name", text)
        seen.add(attribute.name)


def _is_prime(number: int) -> bool:
    """Miller-Rabin, exact for 64 bits; 1 counts as prime, as in Envoy."""
    if number in (1, *_WITNESSES):
        return True
    if any(number % witness == 0 for witness in _WITNESSES):
        return False
    twos = ((number - 1) & -(number - 1)).bit_length() - 1
    odd = (number - 1) >> twos
    return all(
        (power := pow(witness, odd, number)) == 1
        or any(pow(power, 1 << times, number) == number - 1 for times in range(twos))
        for witness in _WITNESSES
    )


def _check_warmup(path: str, warmup: Warmup | None) -> Findings:
    if warmup is None:
        return
    if warmup.duration is None:
        yield Finding(path, "duration is required")
    yield from check_duration(f"{path}.duration", warmup.duration)
    if warmup.minimum_percent is not None and warmup.minimum_percent > 100:
        yield Finding(f"{path}.minimumPercent", "minimumPercent value should be less than or equal to 100")
    if warmup.aggression is not None and warmup.aggression <= 0:
        yield Finding(f"{path}.aggression", "aggression should be greater than 0")


_CONFIG_MAP: Final = "configmap://"


def _check_tls(path: str, tls: ClientTls | None, namespace: str) -> Findings:
    if tls is None:
        return
    error = _credential_error(tls.credential_name, namespace)
    if error:
        yield Finding(f"{path}.credentialName", f"invalid configmap:// credentialName: {error}")
    yield from _check_skip_verify(path, tls)
    if tls.mode in ("SIMPLE", "MUTUAL") and tls.credential_name:
        if tls.client_certificate or tls.ca_certificates or tls.private_key or tls.ca_crl:
            text = "cannot specify client certificates or CA certificate or CA CRL If credentialName is set"
            yield Finding(path, text)
    elif tls.mode == "MUTUAL":
        if not tls.client_certificate:
            yield Finding(path, "client certificate required for mutual tls")
        if not tls.private_key:
            yield Finding(path, "private key required for mutual tls")


def _check_skip_verify(path: str, tls: ClientTls) -> Findings:
    if not tls.insecure_skip_verify:
        return
    at, has_names = f"{path}.insecureSkipVerify", bool(tls.subject_alt_names)
    if tls.mode == "SIMPLE" and (tls.ca_certificates or tls.credential_name or has_names):
        text = "cannot specify CaCertificates or CredentialName or SubjectAltNames when InsecureSkipVerify is set true"
        yield Finding(at, text)
    if tls.mode == "MUTUAL" and (tls.ca_certificates or has_names):
        yield Finding(at, "cannot specify CaCertificates or SubjectAltNames when InsecureSkipVerify is set true")


def _credential_error(credential: str, namespace: str) -> str | None:
    """`configmap://namespace/name`, in the namespace of the rule."""
    if not credential.startswith(_CONFIG_MAP):
        return None
    owner, slash, rest = credential.removeprefix(_CONFIG_MAP).partition("/")
    invalid = f"invalid resource name {quote(credential)}. Expected"
    if not slash:
        return f"{invalid} namespace and name"
    if not owner:
        return f"{invalid} namespace"
    if not rest.partition("/")[0]:
        return f"{invalid} name"
    if owner != namespace:
        return f"namespace must match the configuration namespace {quote(namespace)}"
    return None
