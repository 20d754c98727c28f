"""SPDY/3.1 frames without sockets, as far as kubectl uses them: streams, their data, their ends.

draft-mbelshe-httpbis-spdy-00, sections 2.2 to 2.6. There is no flow control: the client's library has none.
"""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Final


class SpdyError(ValueError):
    """The bytes are no SPDY/3.1."""


class _Control(IntEnum):
    SYN_STREAM = 1
    SYN_REPLY = 2
    RST_STREAM = 3
    PING = 6
    GOAWAY = 7


@dataclass(frozen=True, slots=True)
class Opened:
    """The peer opened a stream."""

    stream: int
    headers: dict[str, str]


@dataclass(frozen=True, slots=True)
class Data:
    """Bytes of a stream."""

    stream: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Closed:
    """No more comes on a stream; `reset` when nothing should go out on it either."""

    stream: int
    reset: bool


@dataclass(frozen=True, slots=True)
class Ping:
    """The peer asks whether anybody is there: `reply` is to be sent."""

    reply: bytes


Event = Opened | Data | Closed | Ping

_VERSION: Final = 0x8003
_FIN: Final = 1
_MAX_FRAME_BYTES: Final = 1 << 20
_MAX_HEADER_BYTES: Final = 1 << 16
_WORDS: Final = (
    "options head post put delete trace accept accept-charset accept-encoding accept-language accept-ranges age allow "
    "authorization cache-control connection content-base content-encoding content-language content-length "
    "content-location content-md5 content-range content-type date etag expect expires from host if-match "
    "if-modified-since if-none-match if-range if-unmodified-since last-modified location max-forwards pragma "
    "proxy-authenticate proxy-authorization range referer retry-after server te trailer transfer-encoding upgrade "
    "user-agent vary via warning www-authenticate method get status"
)
_MORE_WORDS: Final = ("200 OK", "version", "HTTP/1.1", "url", "public", "set-cookie", "keep-alive", "origin")
_TAIL: Final = (
    "100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505"
    "203 Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request401 Unauthorized"
    "403 Forbidden404 Not Found500 Internal Server Error501 Not Implemented503 Service Unavailable"
    "Jan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00 Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMT"
    "chunked,text/html,image/png,image/jpg,image/gif,application/xml,application/xhtml+xml,text/plain,"
    "text/javascript,publicprivatemax-age=gzip,deflate,sdchcharset=utf-8charset=iso-8859-1,utf-,*,enq=0."
)
DICTIONARY: Final = (
    b"".join(struct.pack(">I", len(word)) + word.encode() for word in (*_WORDS.split(), *_MORE_WORDS)) + _TAIL.encode()
)
"""What both ends' compressors begin with (section 2.6.10.1)."""


class SpdyConnection:
    """The server's end of one connection: bytes in, events out; frames to send are what the other methods return."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._inflate = zlib.decompressobj(zdict=DICTIONARY)
        self._deflate = zlib.compressobj(zdict=DICTIONARY)

    def receive(self, data: bytes) -> Iterator[Event]:
        """The events in what has come so far. Raises SpdyError."""
        self._buffer += data
        while len(self._buffer) >= 8:
            size = int.from_bytes(self._buffer[5:8])
            if size > _MAX_FRAME_BYTES:
                raise SpdyError(f"a frame of {size} bytes is too large")
            if len(self._buffer) < 8 + size:
                return
            head, payload = bytes(self._buffer[:8]), bytes(self._buffer[8 : 8 + size])
            del self._buffer[: 8 + size]
            yield from self._control(head, payload) if head[0] & 0x80 else self._data(head, payload)

    def reply(self, stream: int) -> bytes:
        """Accepts a stream."""
        block = self._deflate.compress(struct.pack(">I", 0)) + self._deflate.flush(zlib.Z_SYNC_FLUSH)
        return _control_frame(_Control.SYN_REPLY, struct.pack(">I", stream) + block)

    @staticmethod
    def data(stream: int, data: bytes) -> bytes:
        """Bytes of a stream, at most 16 MiB."""
        return struct.pack(">II", stream, len(data)) + data

    @staticmethod
    def close(stream: int) -> bytes:
        """Nothing more is sent on the stream."""
        return struct.pack(">II", stream, _FIN << 24)

    @staticmethod
    def reset(stream: int) -> bytes:
        """The stream is over in both directions."""
        return _control_frame(_Control.RST_STREAM, struct.pack(">II", stream, 5))

    @staticmethod
    def ping() -> bytes:
        """Asks whether anybody is there. What comes back is no event."""
        return _control_frame(_Control.PING, struct.pack(">I", 2))

    @staticmethod
    def _data(head: bytes, payload: bytes) -> Iterator[Event]:
        stream = int.from_bytes(head[:4]) & 0x7FFFFFFF
        if payload:
            yield Data(stream, payload)
        if head[4] & _FIN:
            yield Closed(stream, reset=False)

    def _control(self, head: bytes, payload: bytes) -> Iterator[Event]:
        version, kind = struct.unpack(">HH", head[:4])
        if version != _VERSION:
            raise SpdyError("this is no SPDY of version 3")
        try:
            match kind:
                case _Control.SYN_STREAM:
                    stream = int.from_bytes(payload[:4]) & 0x7FFFFFFF
                    yield Opened(stream, self._headers(payload[10:]))
                    if head[4] & _FIN:
                        yield Closed(stream, reset=False)
                case _Control.RST_STREAM:
                    yield Closed(struct.unpack(">II", payload)[0] & 0x7FFFFFFF, reset=True)
                case _Control.PING if _is_clients(payload):
                    yield Ping(head + payload)
        except (struct.error, zlib.error, UnicodeDecodeError) as error:
            raise SpdyError(f"a frame cannot be read: {error}") from None

    def _headers(self, block: bytes) -> dict[str, str]:
        plain = self._inflate.decompress(block, _MAX_HEADER_BYTES)
        if self._inflate.unconsumed_tail:
            raise SpdyError("the headers are too large")
        (count,) = struct.unpack_from(">I", plain)
        at, texts = 4, []
        for _ in range(2 * min(count, _MAX_HEADER_BYTES)):
            (size,) = struct.unpack_from(">I", plain, at)
            texts.append(plain[at + 4 : at + 4 + size].decode())
            at += 4 + size
        return dict(zip(texts[::2], texts[1::2], strict=True))


def _is_clients(ping: bytes) -> bool:
    """Whether the client sent it first: its numbers are odd."""
    return bool(struct.unpack(">I", ping)[0] & 1)


def _control_frame(kind: _Control, payload: bytes) -> bytes:
    return struct.pack(">HHI", _VERSION, kind, len(payload)) + payload
