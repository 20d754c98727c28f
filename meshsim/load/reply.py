"""Reads HTTP/1.1 responses as far as a load generator must: status, `x-version`, and where each one ends. Pure."""

import re
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

_STATUS: Final = re.compile(rb"HTTP/1\.([01]) (\d{3})[^\r\n]*\r\n")
_CHUNK: Final = re.compile(rb"([0-9A-Fa-f]{1,15})[^\r\n]*\r\n")
_LENGTH: Final = re.compile(rb"\r\ncontent-length:[ \t]*(\d{1,15})[ \t]*\r\n", re.IGNORECASE)
_CHUNKED: Final = re.compile(rb"\r\ntransfer-encoding:[^\r\n]*chunked[ \t]*\r\n", re.IGNORECASE)
_CONNECTION: Final = re.compile(rb"\r\nconnection:([^\r\n]*)\r\n", re.IGNORECASE)
_VERSION: Final = re.compile(rb"\r\nx-version:[ \t]*([^\r\n]*?)[ \t]*\r\n", re.IGNORECASE)
_MAX_HEAD_BYTES: Final = 64 * 1024


class ReplyError(Exception):
    """What came is no HTTP/1.1 response."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole response, its body thrown away."""

    status: int
    version: str
    keeps_alive: bool
    """The connection may carry another request."""


class _Part(Enum):
    HEAD = auto()
    BODY = auto()
    CHUNK_LINE = auto()
    CHUNK = auto()
    TRAILERS = auto()
    UNTIL_CLOSED = auto()


class ReplyReader:
    """One connection's responses to GET requests, one after the other."""

    def __init__(self) -> None:
        self._buffer = b""
        self._part = _Part.HEAD
        self._left_bytes = 0
        self._reply = Reply(0, "", False)

    def feed(self, data: bytes) -> Reply | None:
        """Take in what came; the response when that completes one. Raises ReplyError."""
        self._buffer += data
        while self._buffer:
            before = self._part, len(self._buffer)
            if self._step():
                self._part = _Part.HEAD
                return self._reply
            if before == (self._part, len(self._buffer)):
                return None
        return None

    def end(self) -> Reply | None:
        """The connection was closed; the response when its end was to be told so."""
        return self._reply if self._part is _Part.UNTIL_CLOSED else None

    def _step(self) -> bool:
        """Read on within the part that has begun; true at the end of the response."""
        match self._part:
            case _Part.HEAD:
                return self._read_head()
            case _Part.BODY | _Part.CHUNK:
                return self._skip_body()
            case _Part.CHUNK_LINE:
                return self._read_chunk_line()
            case _Part.TRAILERS:
                line, found, rest = self._buffer.partition(b"\r\n")
                self._buffer = rest if found else self._buffer
                return bool(found) and not line
            case _Part.UNTIL_CLOSED:
                self._buffer = b""
                return False

    def _read_head(self) -> bool:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            if len(self._buffer) > _MAX_HEAD_BYTES:
                raise ReplyError("a response head without an end")
            return False
        head, self._buffer = self._buffer[: end + 2], self._buffer[end + 4 :]
        line = _STATUS.match(head)
        if line is None:
            raise ReplyError("not an HTTP/1.1 response")
        status = int(line[2])
        if status < 200:
            return False
        version = _VERSION.search(head)
        tokens = _CONNECTION.search(head)
        keeps_alive = line[1] == b"1" and not (tokens and b"close" in tokens[1].lower())
        self._reply = Reply(status, version[1].decode("latin-1") if version else "", keeps_alive)
        return self._begin_body(head)

    def _begin_body(self, head: bytes) -> bool:
        length = _LENGTH.search(head)
        if self._reply.status in (204, 304):
            return True
        if _CHUNKED.search(head):
            self._part = _Part.CHUNK_LINE
        elif length is None:
            self._part = _Part.UNTIL_CLOSED
            self._reply = Reply(self._reply.status, self._reply.version, keeps_alive=False)
        else:
            self._part, self._left_bytes = _Part.BODY, int(length[1])
            return self._left_bytes == 0
        return False

    def _skip_body(self) -> bool:
        taken = min(self._left_bytes, len(self._buffer))
        self._buffer = self._buffer[taken:]
        self._left_bytes -= taken
        if self._left_bytes:
            return False
        if self._part is _Part.BODY:
            return True
        self._part = _Part.CHUNK_LINE
        return False

    def _read_chunk_line(self) -> bool:
        line = _CHUNK.match(self._buffer)
        if line is None:
            if b"\n" in self._buffer or len(self._buffer) > _MAX_HEAD_BYTES:
                raise ReplyError("a chunk without a size")
            return False
        self._buffer = self._buffer[line.end() :]
        size = int(line[1], 16)
        # A chunk's data ends with CRLF.
        self._part, self._left_bytes = (_Part.CHUNK, size + 2) if size else (_Part.TRAILERS, 0)
        return False
