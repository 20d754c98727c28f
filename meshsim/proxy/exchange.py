"""One request and its response: drives the phases from match to record.

The plain case (a route without features, an idle connection, a response in one piece) runs straight through
`start`, `on_connected`, `on_whole`. Everything else is the same object taking the longer way.
"""

import asyncio
from collections.abc import Sequence
from typing import Final

from meshsim.http1.chunked import LAST_CHUNK, encode_chunk
from meshsim.http1.errors import MessageError
from meshsim.http1.fields import CHUNKED, UNTIL_CLOSE, RequestFields, ResponseFields
from meshsim.mesh.headers import Line
from meshsim.mesh.identity import Role
from meshsim.mesh.names import PASSTHROUGH_CLUSTER
from meshsim.mesh.reply import RedirectReply, https_redirect
from meshsim.mesh.request import Request
from meshsim.mesh.retry import MAX_REPLAYED_BYTES, Reset
from meshsim.mesh.route import Route, RouteDestination, RouteTable, VirtualHost
from meshsim.proxy.cluster import Cluster, Host
from meshsim.proxy.engine import Engine
from meshsim.proxy.forwarding import (
    informational_head,
    local_answer,
    plain_request_head,
    request_head,
    request_lines,
    response_head,
    tunnel_head,
)
from meshsim.proxy.heads import reason_of
from meshsim.proxy.peers import Client, Connection
from meshsim.proxy.report import record, record_attempt
from meshsim.proxy.shadow import Shadow
from meshsim.proxy.state import ExchangeState

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


class Exchange(ExchangeState):
    """A request in flight. It ends exactly once, in `_finish`, whatever happens."""

    __slots__ = ("_body", "_body_bytes", "_hash_key", "_keeps_body", "_retries_left", "_shadows", "_timer", "_tried")

    def __init__(
        self, engine: Engine, downstream: Client, request: Request, fields: RequestFields, head_bytes: int
    ) -> None:
        super().__init__(engine, downstream, request, fields, head_bytes)
        self._body: list[bytes] | None = None
        self._body_bytes = 0
        self._keeps_body = False
        self._timer: asyncio.TimerHandle | None = None
        self._shadows: tuple[Shadow, ...] = ()

    # Phases 3 to 5: match, fault, prepare.

    def start(self) -> None:
        """Route the request and send it on, or answer it."""
        request = self.request
        table = self.engine.snapshot.tables[self.downstream.listener]
        virtual_host = table.find(request.authority)
        if virtual_host is None:
            self._no_route(table)
            return
        self.is_gateway = virtual_host.role is Role.GATEWAY
        self.listener_port = virtual_host.port
        if virtual_host.redirects_to_https and not self._came_by_https():
            self.details = "direct_response"
            self._redirect(https_redirect())
            return
        route = virtual_host.route(request)
        if route is None:
            self._no_route(virtual_host)
            return
        self.route = route
        if self.fields.upgrade and not self._may_upgrade():
            return
        if route.reply is None:
            self.destination = route.pick(self.engine.split)
        if route.simple:
            self._forward(route)
        else:
            self._inject_delay(route)

    def reject(self, status: int, flags: str, details: str) -> None:
        """Answer a request that is for no route."""
        self.flags, self.details = flags, details
        self.answer(status)

    def _no_route(self, where: RouteTable | VirtualHost) -> None:
        self.is_gateway = where.role is not Role.SIDECAR
        self.reject(404, "NR", "route_not_found")

    def _came_by_https(self) -> bool:
        if self.engine.trusted_proxies and self.fields.first(b"x-forwarded-proto") == b"https":
            return True
        return self.request.scheme == b"https"

    def _may_upgrade(self) -> bool:
        """WebSockets are allowed everywhere, other protocols nowhere; h2c is ignored."""
        if self.fields.upgrade in (b"websocket", b"h2c"):
            if self.route is not None and self.route.reply is not None and self.fields.upgrade == b"websocket":
                self.downstream.keeps_alive = False
            return True
        self.downstream.keeps_alive = False
        self.reject(403, "", "upgrade_failed")
        return False

    def _inject_delay(self, route: Route) -> None:
        delay_s = route.fault.delay(self.engine.chance) if route.fault is not None else 0.0
        if delay_s:
            self.flag("DI")
            self._timer = self.engine.loop.call_later(delay_s, self._after_delay, route)
        else:
            self._after_delay(route)

    def _after_delay(self, route: Route) -> None:
        """Abort, then CORS, then replies of the route's own."""
        self._timer = None
        fault, reply = route.fault, route.reply
        if fault is not None and fault.aborts(self.engine.chance):
            self.flag("FI")
            self.details = "fault_filter_abort"
            self.answer(fault.abort_status, b"fault filter abort", grpc_status=fault.abort_grpc_status)
            return
        if reply is not None:
            self.details = "direct_response"
            if isinstance(reply, RedirectReply):
                self._redirect(reply)
            else:
                self.answer(reply.status, reply.body)
            return
        preflight = route.cors.preflight(self.request) if route.cors is not None else None
        if preflight is not None:
            self.details = "cors_response"
            self.answer(200, lines=preflight)
            return
        self._forward(route)

    def _redirect(self, reply: RedirectReply) -> None:
        self.answer(reply.status, lines=((b"location", reply.locate(self.request, self.listener_port)),))

    # Phases 6 to 8: pick, admit, connect.

    def _forward(self, route: Route) -> None:
        destination = self.destination
        assert destination is not None
        cluster = self.engine.clusters.get(destination.cluster)
        if cluster is None:
            self._no_cluster(destination)
            return
        self.cluster = cluster
        cluster.active += 1
        self._hash_key: int | None = None
        self._tried: tuple[Host, ...] = ()
        self._retries_left = route.retries.attempts
        if self.length:
            self._keeps_body = route.retries.replays
        if destination.hash is not None:
            self._hash(destination)
        limits = cluster.plan.limits
        if limits.bound and cluster.active > limits.max_requests:
            cluster.overflowed += 1
            self._fail(Reset.OVERFLOW)
            return
        self._attempt(cluster)
        if route.mirrors and not self.over:
            self._mirror(route, destination)

    def _no_cluster(self, destination: RouteDestination) -> None:
        if destination.cluster == PASSTHROUGH_CLUSTER:
            # Traffic isn't captured here: there is no original destination to pass it to.
            self._no_host()
            return
        self.flag("NC")
        self.details = "cluster_not_found"
        self.answer(503)

    def _no_host(self) -> None:
        self.flag("UH")
        self.details = "no_healthy_upstream"
        self.answer(503, b"no healthy upstream")

    def _hash(self, destination: RouteDestination) -> None:
        policy = destination.hash
        assert policy is not None
        self._hash_key = policy.key(self.request)
        if self._hash_key is None and policy.cookie is not None:
            self._hash_key = int(self.engine.chance() * 2**64)
            self.set_cookie = policy.cookie.header(self._hash_key)

    def _attempt(self, cluster: Cluster) -> None:
        host = cluster.pick(self._hash_key, self._tried)
        if host is None:
            self._no_host()
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

    def _mirror(self, route: Route, destination: RouteDestination) -> None:
        """Send copies of the request as it goes to the primary. They begin beside it and never delay it."""
        engine = self.engine
        clusters = [engine.clusters.get(mirror.cluster) for mirror in route.mirrors if mirror.hits(engine.mirror)]
        alive = [cluster for cluster in clusters if cluster is not None]
        if not alive:
            return
        target, lines = request_lines(self, destination)
        copied = [
            (name, value + b"," + self.downstream.ip if name == b"x-forwarded-for" else value) for name, value in lines
        ]
        head = request_head(self.request.method, target, [*copied, (b"x-envoy-internal", b"true")])
        self._shadows = tuple(Shadow(engine, head, self.length, is_head_request=self.is_head_request) for _ in alive)
        for shadow, cluster in zip(self._shadows, alive, strict=True):
            shadow.send_to(cluster)

    # Phase 9: relay.

    def on_connected(self, upstream: Connection) -> None:
        """Send the request, as much of it as is here."""
        self.upstream = upstream
        self.attempt_started = self.engine.now()
        destination, route = self.destination, self.route
        assert destination is not None
        assert route is not None
        if destination.plain and self.attempt == 1 and not self.fields.upgrade and not self.engine.trusted_proxies:
            head = plain_request_head(self, destination.tail)
        else:
            head = request_head(self.request.method, *request_lines(self, destination))
        upstream.begin(self, head)
        if self.length:
            self._send_held(upstream)
        if route.retries.per_try_timeout_s is not None:
            queue = self.engine.per_try_timeouts(route.retries.per_try_timeout_s)
            queue.start(self, self.attempt_started)
        if route.timeout_s is not None and self.request_done and self.attempt == 1:
            self.engine.response_timeouts(route.timeout_s).start(self, self.attempt_started)

    def _send_held(self, upstream: Connection) -> None:
        """The part of the body that came before there was a connection, or that has to be sent again."""
        for piece in self._body or ():
            upstream.write(encode_chunk(piece) if self.length == CHUNKED else piece)
        if not self._keeps_body:
            self._body = None
        if self.request_done and self.length == CHUNKED:
            upstream.write(LAST_CHUNK)
        self.downstream.resume()

    def on_body(self, data: bytes) -> None:
        """More of the request's body came."""
        if self.over:
            return
        self.body_received += len(data)
        upstream = self.upstream
        if upstream is None or self._keeps_body:
            self._hold(data, upstream)
        if upstream is not None:
            upstream.write(encode_chunk(data) if self.length == CHUNKED else data)
        for shadow in self._shadows:
            shadow.write(data)

    def _hold(self, data: bytes, upstream: Connection | None) -> None:
        if self._body is None:
            self._body = []
        self._body.append(data)
        self._body_bytes += len(data)
        if upstream is None:
            if self._body_bytes > _HELD_BODY_BYTES:
                self.downstream.pause()
        elif self._body_bytes > MAX_REPLAYED_BYTES:
            # Too long to be sent again.
            self._keeps_body, self._body, self._retries_left = False, None, 0

    def on_request_end(self) -> None:
        """The request is complete."""
        if self.over or self.request_done:
            return
        self.request_done = True
        for shadow in self._shadows:
            shadow.complete()
        if self.upstream is not None:
            if self.length == CHUNKED:
                self.upstream.write(LAST_CHUNK)
            if self.route is not None and self.route.timeout_s is not None:
                self.engine.response_timeouts(self.route.timeout_s).start(self, self.engine.now())

    def refuse_body(self, error: MessageError) -> None:
        """The request's body is no acceptable message: nothing more of it goes up."""
        self.flag("DPE")
        self.details = error.details
        self._cut_short(error.status, reason_of(error.status))

    def on_whole(self, status: int, fields: ResponseFields, body: bytes) -> None:
        """The response came in one piece."""
        host, route, destination = self.host, self.route, self.destination
        assert host is not None
        assert route is not None
        assert destination is not None
        now = self.engine.now()
        self._give_back(now)
        if host.cluster.plan.outlier is not None:
            host.answered(status)
        if (status >= 400 or self.fields.is_grpc or route.retries.statuses) and self._retries(status, fields):
            return
        self.status = status
        self.sent_bytes = len(body)
        self.downstream.send(response_head(self, status, fields, destination, whole=True) + body)
        self._finish(now)

    def on_response(self, status: int, fields: ResponseFields) -> None:
        """The head of a response came; its body follows."""
        host, route, destination = self.host, self.route, self.destination
        assert host is not None
        assert route is not None
        assert destination is not None
        host.answered(status)
        if (status >= 400 or self.fields.is_grpc or route.retries.statuses) and self._retries(status, fields):
            return
        self.status = status
        self.response_started = True
        self._stop_per_try()
        if fields.length in (CHUNKED, UNTIL_CLOSE) and self.downstream.is_http10:
            self.downstream.keeps_alive = False
        self.downstream.send(response_head(self, status, fields, destination, whole=False))

    def _chunks_down(self) -> bool:
        fields = self.response_fields
        return fields is not None and fields.length in (CHUNKED, UNTIL_CLOSE) and not self.downstream.is_http10

    def on_data(self, data: bytes) -> None:
        """A piece of the response's body came."""
        self.sent_bytes += len(data)
        self.downstream.send(encode_chunk(data) if self._chunks_down() else data)

    def on_end(self) -> None:
        """The response is complete."""
        now = self.engine.now()
        self._give_back(now)
        if self._chunks_down():
            self.downstream.send(LAST_CHUNK)
        self._finish(now)

    def _give_back(self, now: float) -> None:
        upstream, self.upstream = self.upstream, None
        if upstream is None:
            return
        if self.request_done:
            upstream.release(now)
        else:
            upstream.close()
            self.downstream.keeps_alive = False

    def on_informational(self, status: int, fields: ResponseFields) -> None:
        """A 1xx response: passed on."""
        if not self.downstream.is_http10 and not self.response_started:
            self.downstream.send(informational_head(status, fields))

    def on_tunnel(self, fields: ResponseFields) -> None:
        """101: from now on bytes pass as they are."""
        self.status = 101
        self.response_started = True
        self._stop_timeouts()
        self.downstream.send(tunnel_head(self, fields))
        self.downstream.become_tunnel()

    def write_tunnel(self, data: bytes) -> None:
        """Bytes of a tunnel, on their way up."""
        if self.upstream is not None:
            self.upstream.write(data)

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
            cause = "protocol_error" if reset is Reset.PROTOCOL_ERROR else "connection_termination"
            self.flag("UPE" if reset is Reset.PROTOCOL_ERROR else "UC")
            self.details = f"upstream_reset_after_response_started{{{cause}}}"
            self._cut_short(0, b"")
            return
        if upstream is not None:
            host.cluster.resets += 1
            host.failed()
        if route.retries.wants_reset(reset, was_sent=upstream is not None) and self._try_again(0):
            return
        self._fail(reset)

    def _retries(self, status: int, fields: ResponseFields) -> bool:
        """Whether this response is dropped and the request sent again."""
        route, upstream = self.route, self.upstream
        assert route is not None
        if not route.retries.wants_response(status, fields) or not self._try_again(status):
            return False
        if upstream is not None:
            upstream.abandon()
        return True

    def _try_again(self, status: int) -> bool:
        """Start waiting for the next attempt, if there is one left."""
        cluster, host, route = self.cluster, self.host, self.route
        assert cluster is not None
        assert host is not None
        assert route is not None
        if self._retries_left <= 0:
            self.flag("URX")
            return False
        if cluster.retries_active >= cluster.plan.limits.max_retries:
            cluster.retries_overflowed += 1
            self.flag("UO")
            return False
        self._stop_per_try()
        record_attempt(self, host, status)
        self._retries_left -= 1
        cluster.retries += 1
        cluster.retries_active += 1
        host.active -= 1
        self.host = self.upstream = None
        if route.retries.avoids_previous_hosts:
            self._tried = (*self._tried, host)
        wait_s = route.retries.wait_s(self.attempt, self.engine.backoff)
        self.attempt += 1
        self._timer = self.engine.loop.call_later(wait_s, self._again)
        return True

    def _again(self) -> None:
        self._timer = None
        cluster = self.cluster
        assert cluster is not None
        cluster.retries_active -= 1
        self._attempt(cluster)

    def on_response_timeout(self) -> None:
        """The route's timeout expired."""
        self.flag("UT")
        self.details = "response_timeout"
        self._time_out(504, b"upstream request timeout")

    def on_per_try_timeout(self) -> None:
        """One attempt took too long."""
        host, route, upstream = self.host, self.route, self.upstream
        assert host is not None
        assert route is not None
        self.upstream = None
        if upstream is not None:
            upstream.abandon()
        host.failed()
        if route.retries.wants_reset(Reset.PER_TRY_TIMEOUT, was_sent=True) and self._try_again(0):
            return
        self.flag("UT")
        self.details = "upstream_per_try_timeout"
        host.cluster.timeouts += 1
        self.answer(504, b"upstream request timeout")

    def on_body_timeout(self) -> None:
        """A body stood still for too long: the client's is answered with 408, the upstream's with 504."""
        self.details = "stream_idle_timeout"
        self._time_out(504 if self.request_done else 408, b"stream timeout")

    def _time_out(self, status: int, body: bytes) -> None:
        host = self.host
        if host is not None:
            host.cluster.timeouts += 1
            if self.upstream is not None and not self.response_started:
                host.failed()
        self._cut_short(status, body)

    def _fail(self, reset: Reset) -> None:
        """Answer for an upstream that gave no response."""
        self.flag(_FLAG_OF[reset])
        cause = _DETAIL_OF.get(reset) or reset.value.replace(" ", "_")
        self.details = f"upstream_reset_before_response_started{{{cause}}}"
        retried = "retried and the latest " if self.attempt > 1 else ""
        body = f"upstream connect error or disconnect/reset before headers. {retried}reset reason: {reset.value}"
        lines = ((b"x-envoy-overloaded", b"true"),) if reset is Reset.OVERFLOW else ()
        self.answer(502 if reset is Reset.PROTOCOL_ERROR else 503, body.encode(), lines)

    def _cut_short(self, status: int, body: bytes) -> None:
        """End before the response is whole: an answer when it hasn't begun, a cut connection when it has."""
        self._drop_upstream()
        if self.response_started:
            self.downstream.abort()
            self._finish(self.engine.now())
        else:
            self.answer(status, body)

    def cancel(self) -> None:
        """The client went away."""
        if self.over:
            return
        if not (self.status == 101 and self.response_started):
            self.flag("DC")
            self.details = "downstream_remote_disconnect"
        self._drop_upstream()
        self._finish(self.engine.now())

    def _drop_upstream(self) -> None:
        upstream, self.upstream = self.upstream, None
        if upstream is not None:
            upstream.abandon()
        if self.host is not None:
            self.host.leave(self)
        for shadow in self._shadows:
            if not self.request_done:
                shadow.drop()

    # Phases 11 and 12: respond, record.

    def answer(
        self, status: int, body: bytes = b"", lines: Sequence[Line] = (), *, grpc_status: int | None = None
    ) -> None:
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
        if not self.request_done:
            # What is still to come of the request must not be taken for the next one.
            self.downstream.keeps_alive = False
        self.sent_bytes = 0 if self.is_head_request else len(body)
        self.downstream.send(local_answer(self, status, body, lines))
        self._finish(self.engine.now())

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
        if self._timer is not None:
            self._timer.cancel()
            if self.cluster is not None:
                self.cluster.retries_active -= 1
        if self.cluster is not None:
            self.cluster.active -= 1
        if self.host is not None:
            self.host.active -= 1
        record(self, now)
        self.downstream.exchange_over()
