"""How an exchange ends: answered locally, cut, given up by its client; recorded exactly once."""

from collections.abc import Sequence

from meshsim.mesh.headers import Line
from meshsim.proxy.failures import grpc_status_of
from meshsim.proxy.forwarding import local_answer
from meshsim.proxy.report import record
from meshsim.proxy.state import ExchangeState


class Ending(ExchangeState):
    """A request in flight that can end. It does so exactly once, in `finish`, whatever happens."""

    __slots__ = ()

    def answer(
        self, status: int, body: bytes = b"", lines: Sequence[Line] = (), *, grpc_status: int | None = None
    ) -> None:
        """Answer locally; the operations of the route apply to it as to any response."""
        if self.fields.is_grpc:
            number = grpc_status_of(status) if grpc_status is None else grpc_status
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
        self.finish(self.engine.now())

    def stop_per_try(self) -> None:
        """The attempt is decided."""
        if self.per_try_timeouts is not None:
            self.per_try_timeouts.stop(self)
            self.per_try_timeouts = None

    def stop_timeouts(self) -> None:
        """Nothing cuts it any more."""
        self.stop_per_try()
        if self.response_timeouts is not None:
            self.response_timeouts.stop(self)
            self.response_timeouts = None

    def finish(self, now: float) -> None:
        """The end, exactly once: give back what was taken, count, let the connection go on."""
        if self.over:
            return
        self.over = True
        engine = self.engine
        if engine.body_timeouts is not None:
            engine.body_timeouts.stop(self)
        self.stop_timeouts()
        if self.timer is not None:
            self.timer.cancel()
            if self.cluster is not None:
                self.cluster.retries_active -= 1
        if self.cluster is not None:
            self.cluster.active -= 1
        if self.host is not None:
            self.host.active -= 1
        record(self, now)
        self.downstream.exchange_over()

    def cut_short(self, status: int, body: bytes) -> None:
        """End before the response is whole: an answer when it hasn't begun, a cut connection when it has."""
        self.drop_upstream()
        if self.response_started:
            self.downstream.abort()
            self.finish(self.engine.now())
        else:
            self.answer(status, body)

    def cancel(self) -> None:
        """The client went away."""
        if self.over:
            return
        self.flag("DC")
        self.details = "downstream_remote_disconnect"
        self.drop_upstream()
        self.finish(self.engine.now())

    def drop_upstream(self) -> None:
        """Give up what is under way towards an upstream."""
        upstream, self.upstream = self.upstream, None
        if upstream is not None:
            upstream.abandon()
        if self.host is not None:
            self.host.leave(self)
        for shadow in self.shadows:
            if not self.request_done:
                shadow.drop()
