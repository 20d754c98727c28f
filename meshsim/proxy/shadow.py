"""A copy of a request for a mirror: sent and forgotten. Nothing that happens to it reaches the client."""

from collections.abc import Sequence
from typing import Final

from meshsim.http1.chunked import LAST_CHUNK, encode_chunk
from meshsim.http1.fields import CHUNKED, ResponseFields
from meshsim.mesh.mirror import MirrorPolicy
from meshsim.mesh.retry import Reset
from meshsim.mesh.route import RouteDestination
from meshsim.proxy.cluster import Cluster, Host
from meshsim.proxy.engine import Engine
from meshsim.proxy.forwarding import mirrored_head
from meshsim.proxy.peers import Connection
from meshsim.proxy.report import record_shadow
from meshsim.proxy.state import ExchangeState

_MAX_WAITING_BYTES: Final = 4 * 1024 * 1024
"""A mirror that falls behind by more than this loses its copy."""


class Shadow:
    """One copy. `length` is the body's, as `Fields.length`."""

    __slots__ = (
        "_engine", "_head", "_host", "_is_complete", "_length", "_over", "_started", "_upstream", "_waiting",
        "is_head_request",
    )  # fmt: skip

    def __init__(self, engine: Engine, head: bytes, length: int, *, is_head_request: bool) -> None:
        self.is_head_request = is_head_request
        self._engine = engine
        self._head = head
        self._length = length
        self._host: Host | None = None
        self._upstream: Connection | None = None
        self._waiting = bytearray()
        self._is_complete = length == 0
        self._over = False
        self._started = engine.now()

    def send_to(self, cluster: Cluster) -> None:
        """Send it to a host of the cluster, if there is one."""
        host = cluster.pick(None, self._engine.now())
        if host is None:
            self._over = True
            return
        self._host = host
        host.take(self)

    def write(self, data: bytes) -> None:
        """More of the request's body."""
        self._pass_on(encode_chunk(data) if self._length == CHUNKED else data)

    def complete(self) -> None:
        """The request is complete."""
        self._is_complete = True
        if self._length == CHUNKED:
            self._pass_on(LAST_CHUNK)

    def _pass_on(self, data: bytes) -> None:
        if self._over:
            return
        upstream = self._upstream
        if upstream is None:
            self._waiting += data
        else:
            upstream.write(data)
        behind = len(self._waiting) if upstream is None else upstream.unsent_bytes()
        if behind > _MAX_WAITING_BYTES:
            self.drop()

    def drop(self) -> None:
        """Give it up."""
        upstream, host = self._upstream, self._host
        if self._over:
            return
        if upstream is not None:
            upstream.abandon()
        if host is not None:
            host.leave(self)
        self._end()

    def on_connected(self, upstream: Connection) -> None:
        self._upstream = upstream
        upstream.begin(self, self._head)
        if self._waiting:
            upstream.write(bytes(self._waiting))
            self._waiting.clear()

    def on_response(self, status: int, fields: ResponseFields) -> None:  # noqa: ARG002 - nobody reads it
        self._count(status)

    def on_data(self, data: bytes) -> None:
        """Nobody reads it."""

    def on_whole(self, status: int, fields: ResponseFields, body: bytes) -> None:  # noqa: ARG002
        self._count(status)
        self.on_end()

    def on_end(self) -> None:
        upstream = self._upstream
        if upstream is not None:
            if self._is_complete:
                upstream.release(self._engine.now())
            else:
                upstream.close()
        self._end()

    def on_reset(self, reset: Reset, cause: str = "") -> None:  # noqa: ARG002 - of a copy nobody wants to know why
        self._end()

    def on_informational(self, status: int, fields: ResponseFields) -> None:
        """Nobody reads it."""

    def on_tunnel(self, fields: ResponseFields) -> None:  # noqa: ARG002
        self.drop()

    def on_writable(self, *, writable: bool) -> None:
        """The client is never slowed down for a copy."""

    def _count(self, status: int) -> None:
        if self._host is not None:
            self._host.answered(status)
            took_ms = (self._engine.now() - self._started) * 1000.0
            record_shadow(self._engine, self._host, status, took_ms, len(self._head))

    def _end(self) -> None:
        if self._over:
            return
        self._over = True
        self._upstream = None
        if self._host is not None:
            self._host.active -= 1


def send_copies(
    exchange: ExchangeState, mirrors: Sequence[MirrorPolicy], destination: RouteDestination
) -> tuple[Shadow, ...]:
    """Send copies of a request as it goes to the primary. They begin beside it and never delay it."""
    engine = exchange.engine
    clusters = [engine.clusters.get(mirror.cluster) for mirror in mirrors if mirror.hits(engine.mirror)]
    alive = [cluster for cluster in clusters if cluster is not None]
    if not alive:
        return ()
    head = mirrored_head(exchange, destination)
    length = exchange.fields.length
    shadows = tuple(Shadow(engine, head, length, is_head_request=exchange.is_head_request) for _ in alive)
    for shadow, cluster in zip(shadows, alive, strict=True):
        shadow.send_to(cluster)
    return shadows
