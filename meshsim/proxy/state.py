"""What is known of one request and its response while it is in flight."""

import asyncio

from meshsim.http1.fields import RequestFields, ResponseFields
from meshsim.mesh.request import Request
from meshsim.mesh.route import Route, RouteDestination
from meshsim.proxy.body import RequestBody
from meshsim.proxy.cluster import Cluster, Host
from meshsim.proxy.engine import Engine
from meshsim.proxy.peers import Client, Connection, Copy, Timed
from meshsim.proxy.timeouts import TimeoutQueue


class ExchangeState:
    """The facts of an exchange. `Exchange` drives them; heads and records are made from them."""

    __slots__ = (
        "attempt", "attempt_started", "body", "body_received", "cluster", "destination", "details", "downstream",
        "engine", "fields", "flags", "grpc_status", "hash_key", "host", "is_gateway", "is_head_request",
        "listener_port", "over", "per_try_timeouts", "received_bytes", "request", "request_done", "request_id",
        "response_fields", "response_started", "response_timeouts", "retries_left", "route", "sent_bytes",
        "set_cookies", "shadows", "started", "status", "timer", "took_ms", "tried", "upstream",
    )  # fmt: skip

    def __init__(
        self, engine: Engine, downstream: Client, request: Request, fields: RequestFields, head_bytes: int
    ) -> None:
        self.engine = engine
        self.downstream = downstream
        self.request = request
        self.fields = fields
        self.received_bytes = head_bytes
        """Wire bytes from the client."""
        self.body: RequestBody | None = None
        self.body_received = 0
        self.is_head_request = request.method == b"HEAD"
        self.request_done = fields.length == 0
        self.started = self.attempt_started = engine.now()
        self.route: Route | None = None
        self.destination: RouteDestination | None = None
        self.cluster: Cluster | None = None
        self.host: Host | None = None
        self.upstream: Connection | None = None
        self.is_gateway = True
        self.listener_port = 80
        self.hash_key: int | None = None
        self.attempt = 1
        self.retries_left = 0
        self.tried: tuple[Host, ...] = ()
        self.timer: asyncio.TimerHandle | None = None
        """Of a fault's delay or of the wait before a retry."""
        self.response_timeouts: TimeoutQueue[Timed] | None = None
        self.per_try_timeouts: TimeoutQueue[Timed] | None = None
        """Where it waits for its timeouts, if it does."""
        self.shadows: tuple[Copy, ...] = ()
        self.request_id = b""
        self.status = 0
        self.flags = ""
        self.details = "via_upstream"
        self.sent_bytes = 0
        """Body bytes to the client."""
        self.grpc_status: int | None = None
        self.set_cookies: tuple[bytes, ...] = ()
        self.response_fields: ResponseFields | None = None
        self.took_ms: int | None = None
        """From the request sent to the head of the response."""
        self.response_started = False
        self.over = False

    def flag(self, flag: str) -> None:
        """Note how it ended, in Envoy's short form; several are joined in the order they happened."""
        self.flags = f"{self.flags},{flag}" if self.flags else flag
