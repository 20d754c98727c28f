"""The last phase of every exchange: its metrics, its line in the access log, and what format strings may ask."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from meshsim.http1.fields import NO_FIELDS
from meshsim.mesh.clusters import ServiceName
from meshsim.mesh.names import PASSTHROUGH_CLUSTER
from meshsim.proxy.cluster import Cluster, Host
from meshsim.proxy.engine import Engine
from meshsim.proxy.state import ExchangeState
from meshsim.telemetry.istio import BOTH, DESTINATION, NO_SERVICE, NO_WORKLOAD, SOURCE, SeriesKey

_OUTSIDE: Final = {"allow_any": PASSTHROUGH_CLUSTER, "block_all": "BlackHoleCluster"}
"""How Istio's metrics name the service of what the registry doesn't know, by route."""


def record(exchange: ExchangeState, now: float) -> None:
    """Count an exchange that is over. Called exactly once for each."""
    host, status = exchange.host, exchange.status
    engine = exchange.engine
    series = None
    if host is not None:
        host.cluster.rq_classes[status // 100] += 1
        if status < 500:
            host.rq_success += 1
        else:
            host.rq_error += 1
        if not exchange.flags and exchange.attempt == 1 and not exchange.fields.is_grpc:
            series = host.series.get((status, exchange.is_gateway))
            if series is None:
                series = engine.metrics.series(_key(exchange, host))
                host.series[status, exchange.is_gateway] = series
    if series is None and exchange.fields is not NO_FIELDS:
        # A message that was no request is in the log, as with Envoy, and not in the metrics.
        series = engine.metrics.series(_key(exchange, host))
    if series is not None:
        series.record((now - exchange.started) * 1000.0, exchange.received_bytes, exchange.downstream.sent_bytes)
    if engine.access_log is not None:
        engine.access_log(ExchangeContext(exchange, now))


def record_attempt(exchange: ExchangeState, host: Host, status: int) -> None:
    """Count an attempt that another follows: a request for the destination, none for the source."""
    host.rq_error += 1
    if status:
        key = _key(exchange, host)._replace(reporters=DESTINATION, status=status, flags="")
        took_ms = (exchange.engine.now() - exchange.attempt_started) * 1000.0
        exchange.engine.metrics.series(key).record(took_ms, exchange.received_bytes, 0)


def record_shadow(engine: Engine, host: Host, status: int, took_ms: float, sent_bytes: int) -> None:
    """Count a mirrored copy: a request for the destination, none for the source."""
    host.rq_success += 1
    key = SeriesKey(
        DESTINATION, engine.sources[True], host.endpoint.workload, host.cluster.plan.service, "http", status, "", ""
    )
    engine.metrics.series(key).record(took_ms, sent_bytes, 0)


def _key(exchange: ExchangeState, host: Host | None) -> SeriesKey:
    is_grpc = exchange.fields.is_grpc
    grpc_status = exchange.grpc_status
    if is_grpc and grpc_status is None and exchange.response_fields is not None:
        sent = exchange.response_fields.first(b"grpc-status")
        grpc_status = int(sent) if sent.isdigit() else None
    return SeriesKey(
        reporters=BOTH if host is not None and exchange.details == "via_upstream" else SOURCE,
        source=exchange.engine.sources[exchange.is_gateway],
        workload=NO_WORKLOAD if host is None else host.endpoint.workload,
        service=_service(exchange),
        protocol="grpc" if is_grpc else "http",
        status=exchange.status,
        grpc_status="" if grpc_status is None else str(grpc_status),
        flags=exchange.flags,
    )


def _service(exchange: ExchangeState) -> ServiceName:
    """The service of the cluster; without one a sidecar goes by the Host, a gateway by nothing."""
    cluster = _chosen(exchange)
    if cluster is not None:
        return cluster.plan.service
    if exchange.is_gateway:
        return NO_SERVICE
    host = exchange.request.authority.decode("latin-1")
    return exchange.engine.metrics.outside(host, _OUTSIDE.get(exchange.route.name if exchange.route else "", host))


def _chosen(exchange: ExchangeState) -> Cluster | None:
    """The cluster that the route leads to, whether or not the request went so far."""
    if exchange.cluster is None and exchange.destination is not None:
        return exchange.engine.clusters.get(exchange.destination.cluster)
    return exchange.cluster


def _cluster_name(exchange: ExchangeState) -> str:
    cluster, destination = _chosen(exchange), exchange.destination
    if cluster is None:
        return PASSTHROUGH_CLUSTER if destination and destination.cluster == PASSTHROUGH_CLUSTER else ""
    return cluster.name


class ExchangeContext:
    """An exchange as format strings see it."""

    __slots__ = ("_exchange", "_now")

    def __init__(self, exchange: ExchangeState, now: float | None = None) -> None:
        self._exchange = exchange
        self._now = exchange.engine.now() if now is None else now

    def command(self, name: str, argument: str) -> str | None:
        """The value of a command operator, None when it has none."""
        exchange = self._exchange
        if name == "REQ":
            return _request_header(exchange, argument.lower())
        if name == "RESP":
            if argument.lower() == "x-envoy-upstream-service-time":
                return None if exchange.took_ms is None else str(exchange.took_ms)
            fields = exchange.response_fields
            found = fields.first(argument.lower().encode()) if fields is not None else b""
            return found.decode("latin-1") or None
        if name == "START_TIME":
            started = datetime.now(UTC).timestamp() - (self._now - exchange.started)
            stamp = datetime.fromtimestamp(started, UTC)
            return f"{stamp:%Y-%m-%dT%H:%M:%S}.{stamp.microsecond // 1000:03d}Z"
        if name == "DURATION":
            return str(int((self._now - exchange.started) * 1000))
        value = _VALUES.get(name)
        return exchange.downstream.address(name) if value is None else value(exchange) or None


def _request_header(exchange: ExchangeState, name: str) -> str | None:
    request = exchange.request
    pseudo = {
        ":method": request.method,
        ":path": request.target,
        ":authority": request.authority,
        ":scheme": request.scheme,
        "x-request-id": exchange.request_id,
        "x-forwarded-for": forwarded_for(exchange),
    }
    value = pseudo.get(name)
    if value is None:
        value = exchange.fields.first(name.encode())
    return value.decode("latin-1") or None


def forwarded_for(exchange: ExchangeState) -> bytes:
    """The X-Forwarded-For that goes up: a gateway adds its client, a sidecar nothing."""
    given = b",".join(exchange.fields.values(b"x-forwarded-for"))
    if not exchange.is_gateway:
        return given
    ip = exchange.downstream.ip
    return given + b"," + ip if given else ip


_VALUES: Final[dict[str, Callable[[ExchangeState], str]]] = {
    "RESPONSE_CODE": lambda exchange: str(exchange.status),
    "RESPONSE_FLAGS": lambda exchange: exchange.flags or "-",
    "RESPONSE_CODE_DETAILS": lambda exchange: exchange.details,
    "PROTOCOL": lambda exchange: "HTTP/1.0" if exchange.downstream.is_http10 else "HTTP/1.1",
    "BYTES_RECEIVED": lambda exchange: str(exchange.body_received),
    "BYTES_SENT": lambda exchange: str(exchange.sent_bytes),
    "UPSTREAM_HOST": lambda exchange: exchange.host.address if exchange.host else "",
    "UPSTREAM_CLUSTER": _cluster_name,
    "UPSTREAM_CLUSTER_RAW": _cluster_name,
    "UPSTREAM_VERSION": lambda exchange: exchange.host.endpoint.workload.version if exchange.host else "",
    "ROUTE_NAME": lambda exchange: exchange.route.name if exchange.route else "",
}
