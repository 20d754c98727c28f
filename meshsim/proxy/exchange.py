"""One request and its response: drives the phases from match to record.

The plain case (a route without features, an idle connection, a response in one piece) runs straight through
`start`, `on_connected`, `on_whole`. Everything else is the same object taking the longer way.
"""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from meshsim.http1.chunked import LAST_CHUNK, encode_chunk
from meshsim.http1.errors import MessageError
from meshsim.http1.fields import CHUNKED, UNTIL_CLOSE, RequestFields, ResponseFields
from meshsim.mesh.headers import Line, Stages, apply_stages
from meshsim.mesh.reply import FixedReply, RedirectReply
from meshsim.mesh.request import Request
from meshsim.mesh.retry import MAX_REPLAYED_BYTES, Reset
from meshsim.mesh.route import Route, RouteDestination
from meshsim.proxy.cluster import Cluster, Host
from meshsim.proxy.heads import (
    SERVER_GATEWAY,
    SERVER_SIDECAR,
    reason_of,
    request_section,
    response_lines,
    response_section,
    status_line,
    written,
)
from meshsim.proxy.report import ExchangeContext, record
from meshsim.proxy.upstream import Upstream

if TYPE_CHECKING:
    from meshsim.proxy.downstream import Downstream
    from meshsim.proxy.engine import Engine

_HELD_BODY_BYTES: Final = 64 * 1024
_FLAG_OF: Final = {
    Reset.CONNECTION_FAILURE: "UF",
    Reset.CONNECTION_TIMEOUT: "UF",
    Reset.TERMINATION: "UC",
    Reset.PROTOCOL_ERROR: "UPE",
    Reset.OVERFLOW: "UO",
    Reset.PER_TRY_TIMEOUT: "UT",
}
_DETAIL_OF: Final = {
    Reset.CONNECTION_FAILURE: "remote_connection_failure|delayed_connect_error:_Connection_refused",
}
_GRPC_STATUS_OF: Final = {400: 13, 401: 16, 403: 7, 404: 12, 429: 14, 502: 14, 503: 14, 504: 14}
_SERVED_BY: Final = {True: b"server: " + SERVER_GATEWAY + b"\r\n", False: b"server: " + SERVER_SIDECAR + b"\r\n"}


class Exchange:
    """A request in flight. It ends exactly once, in `_finish`, whatever happens."""

    __slots__ = (
        "_body",
        "_body_bytes",
        "_chunks_down",
        "_keeps_body",
        "_retry_timer",
        "_tried",
        "attempt",
        "attempt_started",
        "body_received",
        "cluster",
        "destination",
        "details",
        "downstream",
        "engine",
        "fields",
        "flags",
        "grpc_status",
        "hash_key",
        "host",
        "is_gateway",
        "is_head_request",
        "length",
        "over",
        "port",
        "received_bytes",
        "request",
        "request_done",
        "request_id",
        "response_fields",
        "response_started",
        "retries_left",
        "route",
        "sent_bytes",
        "sent_target",
        "set_cookie",
        "started",
        "status",
        "upstream",
    )  # fmt: skip

    def __init__(self, downstream: "Downstream", request: Request, fields: RequestFields, head_bytes: int) -> None:
        self.downstream = downstream
        self.engine: Engine = downstream.engine
        self.request = request
        self.fields = fields
        self.length = fields.length
        self.received_bytes = head_bytes
        self.is_head_request = request.method == b"HEAD"
        self.request_done = fields.length == 0
        self.started = self.attempt_started = downstream.engine.now()
        self.route: Route | None = None
        self.destination: RouteDestination | None = None
        self.cluster: Cluster | None = None
        self.host: Host | None = None
        self.upstream: Upstream | None = None
        self.is_gateway = True
        self.attempt = 1
        self.status = 0
        self.sent_bytes = 0
        self.flags = ""
        self.details = "via_upstream"
        self.request_id = b""
        self.over = False
        self.response_started = False
        self.body_received = 0
        self.grpc_status: int | None = None
        self.response_fields: ResponseFields | None = None
        self._body: list[bytes] | None = None
        self._retry_timer: asyncio.TimerHandle | None = None

    # Phases 3 to 5: match, fault, prepare.

    def start(self) -> None:
        """Route the request and send it on, or answer it."""
        request = self.request
        table = self.engine.snapshot.tables[self.downstream.listener]
        virtual_host = table.find(request.authority)
        if virtual_host is None:
            self.is_gateway = table.role != "sidecar"
            self._no_route()
            return
        self.is_gateway = virtual_host.role == "gateway"
        self.port = virtual_host.port
        if virtual_host.redirects_to_https and not self._came_by_https():
            self.details = "direct_response"
            location = b"https://" + request.authority + request.target
            self.answer(301, b"", [(b"location", location)])
            return
        route = virtual_host.route(request)
        if route is None:
            self._no_route()
            return
        self.route = route
        if route.reply is None:
            self.destination = route.pick(self.engine.split)
        if route.simple:
            self._forward()
        else:
            self._filter(route)

    def _no_route(self) -> None:
        self.flags, self.details = "NR", "route_not_found"
        self.answer(404, b"")

    def _came_by_https(self) -> bool:
        return self.request.scheme == b"https"

    def _filter(self, route: Route) -> None:
        """Faults, then CORS, then replies of the route's own."""
        fault = route.fault
        if fault is not None:
            delay_s = fault.delay(self.engine.chance)
            if delay_s > 0:
                self._flag("DI")
                self._retry_timer = self.engine.loop.call_later(delay_s, self._after_delay)
                return
        self._after_delay()

    def _after_delay(self) -> None:
        self._retry_timer = None
        route = self.route
        assert route is not None
        fault = route.fault
        if fault is not None and fault.aborts(self.engine.chance):
            self._flag("FI")
            self.details = "fault_filter_abort"
            self.answer(fault.abort_status, b"fault filter abort", grpc_status=fault.abort_grpc_status)
            return
        if route.cors is not None and route.reply is None:
            preflight = route.cors.preflight(self.request)
            if preflight is not None:
                self.details = "cors_response"
                self.answer(200, b"", list(preflight))
                return
        reply = route.reply
        if reply is None:
            self._forward()
            return
        self.details = "direct_response"
        if isinstance(reply, RedirectReply):
            self.answer(reply.status, b"", [(b"location", reply.locate(self.request, self.port))])
        elif isinstance(reply, FixedReply):
            self.answer(reply.status, reply.body)

    # Phases 6 to 8: pick, admit, connect.

    def _forward(self) -> None:
        engine = self.engine
        destination = self.destination
        route = self.route
        assert destination is not None
        assert route is not None
        cluster = engine.clusters.get(destination.cluster)
        if cluster is None:
            self._no_cluster(destination)
            return
        self.cluster = cluster
        cluster.active += 1
        self.hash_key: int | None = None
        self.set_cookie = b""
        self._tried: tuple[Host, ...] = ()
        self.retries_left = route.retries.attempts
        self._keeps_body = self.length != 0 and route.retries.replays
        if destination.hash is not None:
            self._hash(destination)
        if cluster.plan.limits.bound and cluster.active > cluster.plan.limits.max_requests:
            cluster.overflowed += 1
            self._fail(Reset.OVERFLOW)
            return
        self._attempt(cluster)

    def _no_cluster(self, destination: RouteDestination) -> None:
        if destination.cluster == "PassthroughCluster":
            # Traffic isn't captured here: there is no original destination to pass it to.
            self._flag("UH")
            self.details = "no_healthy_upstream"
            self.answer(503, b"no healthy upstream")
            return
        self._flag("NC")
        self.details = "cluster_not_found"
        self.answer(503, b"")

    def _hash(self, destination: RouteDestination) -> None:
        policy = destination.hash
        assert policy is not None
        self.hash_key = policy.key(self.request)
        if self.hash_key is None and policy.cookie is not None:
            self.hash_key = int(self.engine.chance() * 2**64)
            self.set_cookie = policy.cookie.header(self.hash_key)

    def _attempt(self, cluster: Cluster) -> None:
        host = cluster.pick(self.hash_key, self._tried)
        if host is None:
            self._flag("UH")
            self.details = "no_healthy_upstream"
            self.answer(503, b"no healthy upstream")
            return
        self.host = host
        host.active += 1
        host.rq_total += 1
        cluster.rq_total += 1
        upstream = host.take_idle()
        if upstream is not None:
            self.on_connected(upstream)
            return
        reset = host.wait(self)
        if reset is not None:
            self.on_reset(reset)

    # Phase 9: relay.

    def on_connected(self, upstream: Upstream) -> None:
        """Send the request, as much of it as is here."""
        self.upstream = upstream
        self.attempt_started = self.engine.now()
        destination = self.destination
        assert destination is not None
        if destination.plain and self.attempt == 1 and not self.fields.upgrade:
            section = request_section(self.fields, is_gateway=self.is_gateway)
            request_id = section.request_id or self.engine.request_ids.next()
            self.request_id = request_id
            request = self.request
            head = b"".join(
                (
                    request.method,
                    b" ",
                    request.target,
                    b" HTTP/1.1\r\n",
                    section.head,
                    self.downstream.peer if self.is_gateway else b"",
                    request_id,
                    destination.tail,
                )
            )
        else:
            head = self._changed_head(destination)
        upstream.begin(self, head)
        if self._body is not None:
            self._send_held(upstream)
        if self.length:
            if self.request_done and self.length == CHUNKED:
                upstream.write(LAST_CHUNK)
            self.downstream.resume()
        per_try_s = self.route.retries.per_try_timeout_s if self.route else None
        if per_try_s is not None:
            self.engine.per_try_timeouts(per_try_s).start(self, self.attempt_started)
        if self.request_done and self.attempt == 1:
            self._start_timeout()

    def _start_timeout(self) -> None:
        """The route's timeout runs from the end of the request, through every retry."""
        timeout_s = self.route.timeout_s if self.route else None
        if timeout_s is not None:
            self.engine.response_timeouts(timeout_s).start(self, self.engine.now())

    def _send_held(self, upstream: Upstream) -> None:
        for piece in self._body or ():
            upstream.write(encode_chunk(piece) if self.length == CHUNKED else piece)
        if not self._keeps_body:
            self._body = None

    def on_body(self, data: bytes) -> None:
        """More of the request's body came."""
        if self.over:
            return
        self.body_received += len(data)
        upstream = self.upstream
        if upstream is None or self._keeps_body:
            if self._body is None:
                self._body, self._body_bytes = [], 0
            self._body.append(data)
            self._body_bytes += len(data)
            if upstream is None and self._body_bytes > _HELD_BODY_BYTES:
                self.downstream.pause()
            if self._body_bytes > MAX_REPLAYED_BYTES and upstream is not None:
                # Too long to be sent again.
                self._keeps_body, self._body, self.retries_left = False, None, 0
        if upstream is not None:
            upstream.write(encode_chunk(data) if self.length == CHUNKED else data)

    def refuse_body(self, error: MessageError) -> None:
        """The request's body is no acceptable message: nothing more of it goes up."""
        self._drop_upstream()
        self._flag("DPE")
        self.details = error.details
        if self.response_started:
            self.downstream.abort()
            self._finish(self.engine.now())
        else:
            self.answer(error.status, reason_of(error.status))

    def reject(self, status: int, flags: str, details: str) -> None:
        """Answer a request that is for no route."""
        self.flags, self.details = flags, details
        self.answer(status, b"")

    def write_tunnel(self, data: bytes) -> None:
        """Bytes of a tunnel, on their way up."""
        if self.upstream is not None:
            self.upstream.write(data)

    def on_request_end(self) -> None:
        """The request is complete."""
        if self.over or self.request_done:
            return
        self.request_done = True
        if self.upstream is not None:
            if self.length == CHUNKED:
                self.upstream.write(LAST_CHUNK)
            self._start_timeout()

    def on_whole(self, status: int, fields: ResponseFields, body: bytes) -> None:
        """The response came in one piece."""
        upstream, self.upstream = self.upstream, None
        host, route, destination = self.host, self.route, self.destination
        assert upstream is not None
        assert host is not None
        assert route is not None
        assert destination is not None
        now = self.engine.now()
        if self.request_done:
            upstream.release(now)
        else:
            upstream.close()
        if host.cluster.plan.outlier is not None:
            host.answered(status)
        if (status >= 400 or self.fields.is_grpc or route.retries.statuses) and self._retries_response(status, fields):
            return
        self.status = status
        self.sent_bytes = len(body)
        self.downstream.send(self._response_head(status, fields, destination, now) + body)
        self._finish(now)

    def on_response(self, status: int, fields: ResponseFields) -> None:
        """The head of a response came; its body follows."""
        host, route, destination = self.host, self.route, self.destination
        assert host is not None
        assert route is not None
        assert destination is not None
        host.answered(status)
        if (status >= 400 or self.fields.is_grpc or route.retries.statuses) and self._retries_response(status, fields):
            return
        self.status = status
        self.response_started = True
        self._stop_per_try()
        unmeasured = fields.length in (CHUNKED, UNTIL_CLOSE)
        self._chunks_down = unmeasured and not self.downstream.is_http10
        framing = b"transfer-encoding: chunked\r\n" if self._chunks_down else b""
        if unmeasured and not self._chunks_down:
            self.downstream.keeps_alive = False
        self.downstream.send(self._response_head(status, fields, destination, self.engine.now(), framing))

    def on_data(self, data: bytes) -> None:
        """A piece of the response's body came."""
        self.sent_bytes += len(data)
        self.downstream.send(encode_chunk(data) if self._chunks_down else data)

    def on_end(self) -> None:
        """The response is complete."""
        upstream, self.upstream = self.upstream, None
        now = self.engine.now()
        if upstream is not None:
            if self.request_done:
                upstream.release(now)
            else:
                upstream.close()
        if self._chunks_down:
            self.downstream.send(LAST_CHUNK)
        self._finish(now)

    def on_informational(self, status: int, fields: ResponseFields) -> None:
        """A 1xx response: passed on."""
        if not self.downstream.is_http10 and not self.response_started:
            self.downstream.send(b"HTTP/1.1 %d %b\r\n" % (status, b"Continue" if status == 100 else b"Early Hints"))
            self.downstream.send(written(fields.lines) + b"\r\n")

    def on_tunnel(self, fields: ResponseFields) -> None:
        """101: from now on bytes pass as they are."""
        self.status = 101
        self.response_started = True
        self._chunks_down = False
        self._stop_timeouts()
        lines = [(b"connection", b"Upgrade"), (b"upgrade", fields.upgrade), *response_lines(fields)]
        self.downstream.send(
            b"HTTP/1.1 101 Switching Protocols\r\n" + written(lines) + _SERVED_BY[self.is_gateway] + b"\r\n"
        )
        self.downstream.become_tunnel()

    def on_writable(self, *, writable: bool) -> None:
        """The upstream can or cannot take more of the request."""
        if writable:
            self.downstream.resume()
        else:
            self.downstream.pause()

    def pause_response(self) -> None:
        """The client takes no more for now."""
        if self.upstream is not None:
            self.upstream.pause()

    def resume_response(self) -> None:
        """The client takes more again."""
        if self.upstream is not None:
            self.upstream.resume()

    # Phase 10: judge.

    def on_reset(self, reset: Reset) -> None:
        """The attempt ended without a (whole) response."""
        host, route, upstream = self.host, self.route, self.upstream
        assert host is not None
        assert route is not None
        self.upstream = None
        if self.status == 101 and self.response_started:
            # A tunnel ends when either side does.
            self._finish(self.engine.now())
            return
        if self.response_started:
            self._flag("UPE" if reset is Reset.PROTOCOL_ERROR else "UC")
            cause = "protocol_error" if reset is Reset.PROTOCOL_ERROR else "connection_termination"
            self.details = f"upstream_reset_after_response_started{{{cause}}}"
            self.downstream.abort()
            self._finish(self.engine.now())
            return
        if upstream is not None:
            host.cluster.resets += 1
            host.failed()
        if route.retries.wants_reset(reset, was_sent=upstream is not None) and self._try_again():
            return
        self._fail(reset)

    def _retries_response(self, status: int, fields: ResponseFields) -> bool:
        route = self.route
        assert route is not None
        if not route.retries.wants_response(status, fields):
            return False
        upstream = self.upstream
        if self.retries_left == 0 or not self._try_again():
            if self.attempt > 1 or route.retries.attempts:
                self._flag("URX")
            return False
        if upstream is not None:
            upstream.abandon()
        return True

    def _try_again(self) -> bool:
        """Start waiting for the next attempt, if there is one left."""
        cluster, host, route = self.cluster, self.host, self.route
        assert cluster is not None
        assert host is not None
        assert route is not None
        if self.retries_left <= 0:
            if route.retries.attempts and self.attempt > 1:
                self._flag("URX")
            return False
        if cluster.retries_active >= cluster.plan.limits.max_retries:
            cluster.retries_overflowed += 1
            self._flag("UO")
            return False
        self._stop_per_try()
        self.retries_left -= 1
        cluster.retries += 1
        cluster.retries_active += 1
        host.active -= 1
        host.rq_error += 1
        self.host = None
        self.upstream = None
        if route.retries.avoids_previous_hosts:
            self._tried = (*self._tried, host)
        wait_s = route.retries.wait_s(self.attempt, self.engine.backoff)
        self.attempt += 1
        self._retry_timer = self.engine.loop.call_later(wait_s, self._again)
        return True

    def _again(self) -> None:
        self._retry_timer = None
        cluster = self.cluster
        assert cluster is not None
        cluster.retries_active -= 1
        self._attempt(cluster)

    def on_response_timeout(self) -> None:
        """The route's timeout expired."""
        self._flag("UT")
        self.details = "response_timeout"
        self._time_out()

    def on_per_try_timeout(self) -> None:
        """One attempt took too long."""
        host, route, upstream = self.host, self.route, self.upstream
        assert host is not None
        assert route is not None
        self.upstream = None
        if upstream is not None:
            upstream.abandon()
        host.failed()
        if route.retries.wants_reset(Reset.PER_TRY_TIMEOUT, was_sent=True) and self._try_again():
            return
        self._flag("UT")
        self.details = "upstream_per_try_timeout"
        host.cluster.timeouts += 1
        self.answer(504, b"upstream request timeout")

    def _time_out(self) -> None:
        host, upstream = self.host, self.upstream
        self.upstream = None
        if host is not None:
            host.leave(self)
            host.cluster.timeouts += 1
            if upstream is not None and not self.response_started:
                host.failed()
        if upstream is not None:
            upstream.abandon()
        if self.response_started:
            self.downstream.abort()
            self._finish(self.engine.now())
        else:
            self.answer(504, b"upstream request timeout")

    def _fail(self, reset: Reset) -> None:
        """Answer for an upstream that gave no response."""
        self._flag(_FLAG_OF[reset])
        cause = _DETAIL_OF.get(reset) or reset.value.replace(" ", "_")
        self.details = f"upstream_reset_before_response_started{{{cause}}}"
        retried = "retried and the latest " if self.attempt > 1 else ""
        body = f"upstream connect error or disconnect/reset before headers. {retried}reset reason: {reset.value}"
        lines = [(b"x-envoy-overloaded", b"true")] if reset is Reset.OVERFLOW else []
        self.answer(502 if reset is Reset.PROTOCOL_ERROR else 503, body.encode(), lines)

    # Phases 11 and 12: respond, record.

    def answer(self, status: int, body: bytes, lines: Sequence[Line] = (), *, grpc_status: int | None = None) -> None:
        """Answer locally; the operations of the route apply to it as to any response."""
        if self.fields.is_grpc:
            number = _GRPC_STATUS_OF.get(status, 2) if grpc_status is None else grpc_status
            self.grpc_status = number
            lines = [*lines, (b"content-type", b"application/grpc"), (b"grpc-status", b"%d" % number)]
            if body:
                lines = [*lines, (b"grpc-message", body)]
            status, body = 200, b""
        elif body:
            lines = [(b"content-length", b"%d" % len(body)), (b"content-type", b"text/plain"), *lines]
        self.status = status
        stages: Stages = ()
        if self.destination is not None:
            stages = self.destination.response_stages
        elif self.route is not None:
            stages = self.route.response_stages
        if stages:
            lines = apply_stages(stages, list(lines), ExchangeContext(self))
        ending = b"" if body or status in (204, 304) or status < 200 else b"content-length: 0\r\n"
        if self.is_head_request:
            body = b""
        downstream = self.downstream
        if not self.request_done:
            # What is still to come of the request must not be taken for the next one.
            downstream.keeps_alive = False
        self.sent_bytes = len(body)
        downstream.send(
            b"".join(
                (
                    status_line(status),
                    written(lines),
                    self.engine.date.get(),
                    _SERVED_BY[self.is_gateway],
                    b"" if downstream.keeps_alive else b"connection: close\r\n",
                    ending,
                    b"\r\n",
                    body,
                )
            )
        )
        self._finish(self.engine.now())

    def _response_head(
        self, status: int, fields: ResponseFields, destination: RouteDestination, now: float, framing: bytes = b""
    ) -> bytes:
        downstream = self.downstream
        served_by = _SERVED_BY[self.is_gateway]
        close = b"" if downstream.keeps_alive else b"connection: close\r\n"
        took_ms = int((now - self.attempt_started) * 1000)
        if destination.response_stages or self.set_cookie or self.engine.settings.explains or self._has_cors():
            section = written(self._changed_response(fields, destination, took_ms))
            dated = b"\r\ndate: " in b"\r\n" + section
            took = b""
        else:
            section, dated = response_section(fields)
            took = b"x-envoy-upstream-service-time: %d\r\n" % took_ms
        return b"".join(
            (
                status_line(status),
                section,
                took,
                b"" if dated else self.engine.date.get(),
                served_by,
                framing,
                close,
                b"\r\n",
            )
        )

    def _has_cors(self) -> bool:
        return self.route is not None and self.route.cors is not None

    def _changed_response(self, fields: ResponseFields, destination: RouteDestination, took_ms: int) -> list[Line]:
        lines = response_lines(fields)
        lines.append((b"x-envoy-upstream-service-time", b"%d" % took_ms))
        if self.set_cookie:
            lines.append((b"set-cookie", self.set_cookie))
        self.response_fields = fields
        lines = apply_stages(destination.response_stages, lines, ExchangeContext(self))
        cors = self.route.cors if self.route else None
        if cors is not None:
            marks = cors.marks(self.request)
            marked = {name for name, _ in marks}
            lines = [line for line in lines if line[0] not in marked] + list(marks)
        host = self.host
        if self.engine.settings.explains and host is not None and self.route is not None:
            workload = host.endpoint.workload
            lines += [
                (b"x-meshsim-version", workload.version.encode()),
                (b"x-meshsim-pod", (workload.pod or host.address).encode()),
                (b"x-meshsim-route", (self.route.name or "-").encode()),
            ]
        return [line for line in lines if line[0] != b"server"]

    def _changed_head(self, destination: RouteDestination) -> bytes:
        """The head of a request that isn't plain: rewritten, operated on, or sent again."""
        request, route = self.request, self.route
        assert route is not None
        section = request_section(self.fields, is_gateway=self.is_gateway)
        lines = list(section.lines)
        ip = self.downstream.ip
        if not self.request_id:
            self.request_id = section.request_id or self.engine.request_ids.next()
        if self.is_gateway:
            chain = section.forwarded_for + b"," + ip if section.forwarded_for else ip
            lines += [
                (b"x-forwarded-for", chain),
                (b"x-forwarded-proto", request.scheme),
                (b"x-envoy-external-address", ip),
            ]
        lines.append((b"x-request-id", self.request_id))
        target = request.target
        if route.rewrite is not None:
            target = route.rewrite(target)
            lines.append((b"x-envoy-original-path", request.target))
        for line in destination.tail.strip().split(b"\r\n"):
            name, _, value = line.partition(b": ")
            lines.append((name, b"%d" % self.attempt if name == b"x-envoy-attempt-count" else value))
        if destination.request_stages:
            lines = apply_stages(destination.request_stages, lines, ExchangeContext(self))
        if destination.authority is not None:
            lines = [(name, destination.authority) if name == b"host" else (name, value) for name, value in lines]
            lines.append((b"x-envoy-original-host", request.authority))
        if self.fields.upgrade:
            lines += [(b"connection", b"Upgrade"), (b"upgrade", self.fields.upgrade)]
        return b"".join((request.method, b" ", target, b" HTTP/1.1\r\n", written(lines), b"\r\n"))

    def cancel(self) -> None:
        """The client went away."""
        if self.over:
            return
        if not (self.status == 101 and self.response_started):
            self._flag("DC")
            self.details = "downstream_remote_disconnect"
        self._drop_upstream()
        self._finish(self.engine.now())

    def _drop_upstream(self) -> None:
        upstream, self.upstream = self.upstream, None
        if upstream is not None:
            upstream.abandon()
        if self.host is not None:
            self.host.leave(self)

    def _flag(self, flag: str) -> None:
        self.flags = f"{self.flags},{flag}" if self.flags else flag

    def _stop_per_try(self) -> None:
        per_try_s = self.route.retries.per_try_timeout_s if self.route else None
        if per_try_s is not None:
            self.engine.per_try_timeouts(per_try_s).stop(self)

    def _stop_timeouts(self) -> None:
        self._stop_per_try()
        if self.route is not None and self.route.timeout_s is not None:
            self.engine.response_timeouts(self.route.timeout_s).stop(self)

    def _finish(self, now: float) -> None:
        """The end, exactly once: give back what was taken, count, let the connection go on."""
        if self.over:
            return
        self.over = True
        route = self.route
        if route is not None and (route.timeout_s is not None or route.retries.per_try_timeout_s is not None):
            self._stop_timeouts()
        if self._retry_timer is not None:
            self._retry_timer.cancel()
            if self.attempt > 1 and self.cluster is not None:
                self.cluster.retries_active -= 1
        if self.cluster is not None:
            self.cluster.active -= 1
        if self.host is not None:
            self.host.active -= 1
        record(self, now)
        self.downstream.exchange_over()
