"""A request's body on its way up, as far as it has to wait or may be needed again."""

from meshsim.http1.chunked import LAST_CHUNK, encode_chunk
from meshsim.http1.fields import CHUNKED
from meshsim.mesh.retry import MAX_REPLAYED_BYTES
from meshsim.proxy.peers import Connection


class RequestBody:
    """Pieces that came before there was a connection; all of them, while the request may be sent again.

    `length` is the body's, as `Fields.length`.
    """

    __slots__ = ("_keeps", "_length", "_pieces", "held_bytes", "is_complete")

    def __init__(self, length: int, *, keeps: bool) -> None:
        self.held_bytes = 0
        self.is_complete = False
        self._length = length
        self._keeps = keeps
        self._pieces: list[bytes] = []

    def add(self, data: bytes, upstream: Connection | None) -> bool:
        """Send a piece on, or hold it; False once the body has become too long to be sent again."""
        if upstream is not None:
            upstream.write(encode_chunk(data) if self._length == CHUNKED else data)
            if not self._keeps:
                return True
        self._pieces.append(data)
        self.held_bytes += len(data)
        if upstream is not None and self.held_bytes > MAX_REPLAYED_BYTES:
            self._keeps = False
            self._pieces.clear()
            return False
        return True

    def complete(self, upstream: Connection | None) -> None:
        """Nothing follows."""
        self.is_complete = True
        if upstream is not None and self._length == CHUNKED:
            upstream.write(LAST_CHUNK)

    def send(self, upstream: Connection) -> None:
        """Begin, or begin again, with what is held."""
        for piece in self._pieces:
            upstream.write(encode_chunk(piece) if self._length == CHUNKED else piece)
        if not self._keeps:
            self._pieces.clear()
        if self.is_complete and self._length == CHUNKED:
            upstream.write(LAST_CHUNK)
