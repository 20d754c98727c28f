"""Between a route and its upstream: sends a request up, brings the response back, judges failures."""

from collections.abc import Sequence
from typing import Final

from meshsim.http1.chunked import LAST_CHUNK, encode_chunk
from meshsim.http1.errors import MessageError
from meshsim.http1.fields import CHUNKED, UNTIL_CLOSE, ResponseFields
from meshsim.mesh.hash_policy import HashPolicy, key_of
from meshsim.mesh.names import PASSTHROUGH_CLUSTER
from meshsim.mesh.retry import Reset
from meshsim.mesh.route import Route, RouteDestination
from meshsim.proxy.body import RequestBody
from meshsim.proxy.cluster import Cluster
from meshsim.proxy.ending import Ending
from meshsim.proxy.failures import failure_before_response, failure_in_response
from meshsim.proxy.forwarding import (
    informational_head,
    plain_request_head,
    request_head,
    request_lines,
    response_head,
    tunnel_head,
)
from meshsim.proxy.heads import reason_of, response_lines
from meshsim.proxy.peers import Connection, Timed
from meshsim.proxy.report import record_attempt
from meshsim.proxy.shadow import send_copies
from meshsim.proxy.timeouts import TimeoutQueue

_HELD_BODY_BYTES: Final = 64 * 1024
_OF_A_BODY: Final = frozenset((b"content-length", b"content-type"))


class Relay(Ending):
    """A routed request in flight."""

    __slots__ = ()

    # Phases 6 to 8: pick, admit, connect.

    def forward(self, route: Route) -> None:
        destination = self.destination
        assert destination is not None
        cluster = self.engine.clusters.get(destination.cluster)
        if cluster is None:
            self._no_cluster(destination)
            return
        self.cluster = cluster
        cluster.active += 1
        self.retries_left = route.retries.attempts
        if self.fields.length:
            self.body = RequestBody(self.fields.length, keeps=route.retries.replays)
            if self.engine.body_timeouts is not None:
                self._body_moved(self.engine.body_timeouts)
        if destination.hashes:
            self._hash(destination.hashes)
        limits = cluster.plan.limits
        if cluster.active > limits.max_requests:
            cluster.overflowed += 1
            self._fail(Reset.OVERFLOW)
            return
        now = self.engine.now()
        if route.timeout_s is not None and self.request_done:
            self._start_timeout(route.timeout_s, now)
        self._attempt(cluster, now)
        if route.mirrors and not self.over:
            self.shadows = send_copies(self, route.mirrors, destination)

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

    def _hash(self, policies: Sequence[HashPolicy]) -> None:
        ends = [self.downstream.address(f"DOWNSTREAM_{end}_ADDRESS") or "" for end in ("REMOTE", "LOCAL")]
        self.hash_key, self.set_cookies = key_of(policies, self.request, "".join(ends))

    def _start_timeout(self, timeout_s: float, now: float) -> None:
        self.response_timeouts = queue = self.engine.response_timeouts(timeout_s)
        queue.start(self, now)

    def _attempt(self, cluster: Cluster, now: float) -> None:
        host = cluster.pick(self.hash_key, now, self.tried)
        if host is None:
            self._no_host()
            return
        self.host = host
        host.take(self)

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
        if self.body is not None:
            self.body.send(upstream)
            self.downstream.resume()
        if route.retries.per_try_timeout_s is not None:
            self.per_try_timeouts = queue = self.engine.per_try_timeouts(route.retries.per_try_timeout_s)
            queue.start(self, self.attempt_started)

    def on_body(self, data: bytes) -> None:
        """More of the request's body came."""
        body = self.body
        if self.over or body is None:
            return
        self.body_received += len(data)
        if self.engine.body_timeouts is not None:
            self._body_moved(self.engine.body_timeouts)
        if not body.add(data, self.upstream):
            self.retries_left = 0
        if self.upstream is None and body.held_bytes > _HELD_BODY_BYTES:
            self.downstream.pause()
        for shadow in self.shadows:
            shadow.write(data)

    def on_request_end(self) -> None:
        """The request is complete."""
        if self.over or self.request_done:
            return
        self.request_done = True
        if self.engine.body_timeouts is not None:
            self.engine.body_timeouts.stop(self)
        if self.body is not None:
            self.body.complete(self.upstream)
        for shadow in self.shadows:
            shadow.complete()
        if self.route is not None and self.route.timeout_s is not None:
            self._start_timeout(self.route.timeout_s, self.engine.now())

    def refuse_body(self, error: MessageError) -> None:
        """The request's body is no acceptable message: nothing more of it goes up."""
        self.flags, self.details = error.flags, error.details
        self.cut_short(error.status, reason_of(error.status))

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
        if self.fields.upgrade:
            self._refuse_upgrade(status, fields)
            return
        self.status = status
        self.sent_bytes = len(body)
        self.downstream.send(response_head(self, status, fields, destination, whole=True) + body)
        self.finish(now)

    def on_response(self, status: int, fields: ResponseFields) -> None:
        """The head of a response came; its body follows."""
        host, route, destination = self.host, self.route, self.destination
        assert host is not None
        assert route is not None
        assert destination is not None
        host.answered(status)
        if (status >= 400 or self.fields.is_grpc or route.retries.statuses) and self._retries(status, fields):
            return
        if self.fields.upgrade:
            self._refuse_upgrade(status, fields)
            return
        self.status = status
        self.response_started = True
        self.stop_per_try()
        if self.engine.body_timeouts is not None:
            self._body_moved(self.engine.body_timeouts)
        if fields.length in (CHUNKED, UNTIL_CLOSE) and self.downstream.is_http10:
            self.downstream.keeps_alive = False
        self.downstream.send(response_head(self, status, fields, destination, whole=False))

    def _body_moved(self, timeouts: TimeoutQueue[Timed]) -> None:
        """A body makes progress: its time begins anew."""
        timeouts.stop(self)
        timeouts.start(self, self.engine.now())

    def _chunks_down(self) -> bool:
        fields = self.response_fields
        return fields is not None and fields.length in (CHUNKED, UNTIL_CLOSE) and not self.downstream.is_http10

    def on_data(self, data: bytes) -> None:
        """A piece of the response's body came."""
        self.sent_bytes += len(data)
        if self.engine.body_timeouts is not None:
            self._body_moved(self.engine.body_timeouts)
        self.downstream.send(encode_chunk(data) if self._chunks_down() else data)

    def on_end(self) -> None:
        """The response is complete."""
        now = self.engine.now()
        self._give_back(now)
        if self._chunks_down():
            self.downstream.send(LAST_CHUNK)
        self.finish(now)

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
        if not self.downstream.is_http10:
            self.status = status
            self.downstream.send(informational_head(status, fields))

    def on_tunnel(self, fields: ResponseFields) -> None:
        """101: from now on bytes pass as they are, if the client asked for that."""
        if not self.fields.upgrade:
            self.drop_upstream()
            self.on_reset(Reset.PROTOCOL_ERROR)
            return
        self.status = 101
        self.response_started = True
        self.stop_timeouts()
        self.downstream.send(tunnel_head(self, fields))
        self.downstream.become_tunnel()

    def _refuse_upgrade(self, status: int, fields: ResponseFields) -> None:
        """The upstream doesn't switch protocols: its status and headers pass, without a body, and that's the end."""
        self.details = "websocket_handshake_unsuccessful"
        self.downstream.keeps_alive = False
        self.drop_upstream()
        self.answer(status, lines=[line for line in response_lines(fields) if line[0] not in _OF_A_BODY])

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

    def on_reset(self, reset: Reset, cause: str = "") -> None:
        """The attempt ended without a (whole) response."""
        host, route, upstream = self.host, self.route, self.upstream
        assert host is not None
        assert route is not None
        self.upstream = None
        if self.status == 101 and self.response_started:
            # A tunnel ends when either side does.
            self.finish(self.engine.now())
            return
        if self.response_started:
            flag, self.details = failure_in_response(reset)
            self.flag(flag)
            self.cut_short(0, b"")
            return
        if upstream is not None:
            host.cluster.resets += 1
            host.failed()
        if route.retries.wants_reset(reset, was_sent=upstream is not None) and self._try_again(0):
            return
        self._fail(reset, cause)

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
        if self.retries_left <= 0:
            self.flag("URX")
            return False
        if cluster.retries_active >= cluster.plan.limits.max_retries:
            cluster.retries_overflowed += 1
            self.flag("UO")
            return False
        self.stop_per_try()
        record_attempt(self, host, status)
        self.retries_left -= 1
        cluster.retries += 1
        cluster.retries_active += 1
        host.active -= 1
        self.host = self.upstream = None
        if route.retries.avoids_previous_hosts:
            self.tried = (*self.tried, host)
        wait_s = route.retries.wait_s(self.attempt, self.engine.backoff)
        self.attempt += 1
        self.timer = self.engine.loop.call_later(wait_s, self._again)
        return True

    def _again(self) -> None:
        self.timer = None
        cluster = self.cluster
        assert cluster is not None
        cluster.retries_active -= 1
        self._attempt(cluster, self.engine.now())

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
        self.cut_short(status, body)

    def _fail(self, reset: Reset, cause: str = "") -> None:
        """Answer for an upstream that gave no response."""
        failure = failure_before_response(reset, retried=self.attempt > 1, cause=cause)
        self.flag(failure.flag)
        self.details = failure.details
        self.answer(failure.status, failure.body, failure.lines)
