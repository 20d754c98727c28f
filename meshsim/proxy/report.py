"""The last phase of every exchange: its metrics, its line in the access log, and what format strings may ask."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from meshsim.telemetry.istio import BOTH, NO_SERVICE, NO_WORKLOAD, SOURCE, SeriesKey

if TYPE_CHECKING:
    from meshsim.proxy.cluster import Host
    from meshsim.proxy.exchange import Exchange


def record(exchange: "Exchange", now: float) -> None:
    """Count an exchange that is over. Called exactly once for each."""
    host, status, downstream = exchange.host, exchange.status, exchange.downstream
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
                series = exchange.engine.metrics.series(_key(exchange, host))
                host.series[status, exchange.is_gateway] = series
    if series is None:
        series = exchange.engine.metrics.series(_key(exchange, host))
    series.record((now - exchange.started) * 1000.0, exchange.received_bytes, downstream.sent_bytes)
    log = exchange.engine.access_log
    if log is not None:
        log(ExchangeContext(exchange, now))


def _key(exchange: "Exchange", host: "Host | None") -> SeriesKey:
    cluster = exchange.cluster
    grpc_status = ""
    if exchange.fields.is_grpc and exchange.grpc_status is not None:
        grpc_status = str(exchange.grpc_status)
    return SeriesKey(
        reporters=BOTH if host is not None and exchange.details == "via_upstream" else SOURCE,
        source=exchange.engine.sources[exchange.is_gateway],
        workload=NO_WORKLOAD if host is None else host.endpoint.workload,
        service=NO_SERVICE if cluster is None else cluster.plan.service,
        protocol="grpc" if exchange.fields.is_grpc else "http",
        status=exchange.status,
        grpc_status=grpc_status,
        flags=exchange.flags,
    )


class ExchangeContext:
    """An exchange as format strings see it."""

    __slots__ = ("_exchange", "_now")

    def __init__(self, exchange: "Exchange", now: float | None = None) -> None:
        self._exchange = exchange
        self._now = exchange.engine.now() if now is None else now

    def command(self, name: str, argument: str) -> str | None:
        """The value of a command operator, None when it has none."""
        exchange = self._exchange
        if name == "REQ":
            return self._request(argument)
        if name == "RESP":
            fields = exchange.response_fields
            found = fields.first(argument.lower().encode()) if fields is not None else b""
            return found.decode("latin-1") or None
        if name == "START_TIME":
            started = datetime.now(UTC).timestamp() - (self._now - exchange.started)
            stamp = datetime.fromtimestamp(started, UTC)
            return f"{stamp:%Y-%m-%dT%H:%M:%S}.{stamp.microsecond // 1000:03d}Z"
        return self._plain(name)

    def _request(self, argument: str) -> str | None:
        exchange = self._exchange
        request = exchange.request
        name = argument.lower()
        value = {
            ":method": request.method,
            ":path": request.target,
            ":authority": request.authority,
            ":scheme": request.scheme,
            "x-request-id": exchange.request_id,
            "x-envoy-original-path": b"",
        }.get(name)
        if value is None:
            value = exchange.fields.first(name.encode())
        return value.decode("latin-1") or None

    def _plain(self, name: str) -> str | None:
        exchange = self._exchange
        downstream = exchange.downstream
        host, cluster, route = exchange.host, exchange.cluster, exchange.route
        if name in ("UPSTREAM_CLUSTER", "UPSTREAM_CLUSTER_RAW"):
            return cluster.name if cluster else None
        match name:
            case "RESPONSE_CODE":
                return str(exchange.status)
            case "RESPONSE_FLAGS":
                return exchange.flags or "-"
            case "RESPONSE_CODE_DETAILS":
                return exchange.details
            case "PROTOCOL":
                return "HTTP/1.0" if downstream.is_http10 else "HTTP/1.1"
            case "BYTES_RECEIVED":
                return str(exchange.body_received)
            case "BYTES_SENT":
                return str(exchange.sent_bytes)
            case "DURATION":
                return str(int((self._now - exchange.started) * 1000))
            case "UPSTREAM_HOST":
                return host.address if host else None
            case "ROUTE_NAME":
                return (route.name if route else "") or None
            case _:
                return downstream.address(name)
