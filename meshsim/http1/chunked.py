"""The chunked coding: decoding strictly, encoding, dropping extensions and trailers."""

import re
from typing import Final

from meshsim.http1.errors import MessageError
from meshsim.http1.grammar import FIELD, TOKEN

_QUOTED: Final = rb'"(?:[\t !#-\[\]-~\x80-\xff]|\\[\t -~\x80-\xff])*+"'
_VALUE: Final = rb"[ \t]*+=[ \t]*+(?:" + TOKEN + rb"++|" + _QUOTED + rb")"
_EXTENSION: Final = rb"[ \t]*+;[ \t]*+" + TOKEN + rb"++(?:" + _VALUE + rb")?+"
_SIZE_LINE: Final = re.compile(rb"([0-9a-fA-F]{1,15})(?:" + _EXTENSION + rb")*+\r\n")
"""Sixty bits are more than anybody sends, and less than anybody counts with."""
_MAX_LINE_BYTES: Final = 4096
_MAX_TRAILER_BYTES: Final = 60 * 1024

LAST_CHUNK: Final = b"0\r\n\r\n"


def encode_chunk(data: bytes) -> bytes:
    """One chunk that holds the data, which is not empty."""
    return b"%x\r\n%b\r\n" % (len(data), data)


class ChunkDecoder:
    """Takes the bytes of a chunked body as they come and gives back what they carry.

    When `done`, `rest` holds the bytes that follow the body.
    """

    __slots__ = ("_ending", "_held", "_in_trailers", "_left", "_trailer_bytes", "done", "rest")

    def __init__(self) -> None:
        self.done = False
        self.rest = b""
        self._held = b""
        self._left = 0
        self._ending = b""  # what must follow the current chunk's data
        self._in_trailers = False
        self._trailer_bytes = 0

    def feed(self, data: bytes) -> list[bytes]:
        """The pieces of the body in these bytes. Raises MessageError."""
        if self._held:
            data = self._held + data
            self._held = b""
        pieces: list[bytes] = []
        at, end = 0, len(data)
        while at < end and not self.done:
            if self._left:
                piece = data[at : at + self._left]
                pieces.append(piece)
                self._left -= len(piece)
                at += len(piece)
            elif self._ending:
                at = self._take_ending(data, at)
            elif self._in_trailers:
                at = self._take_trailer(data, at)
            else:
                at = self._take_size(data, at)
        return pieces

    def _take_ending(self, data: bytes, at: int) -> int:
        got = data[at : at + len(self._ending)]
        if not self._ending.startswith(got):
            raise MessageError(400, "http1.codec_error")
        self._ending = self._ending[len(got) :]
        return at + len(got)

    def _take_size(self, data: bytes, at: int) -> int:
        line = _SIZE_LINE.match(data, at)
        if line is None or line.end() - at > _MAX_LINE_BYTES:
            return self._hold(data, at)
        self._left = int(line[1], 16)
        if self._left:
            self._ending = b"\r\n"
        else:
            self._in_trailers = True
        return line.end()

    def _take_trailer(self, data: bytes, at: int) -> int:
        if data.startswith(b"\r\n", at):
            self.done = True
            self.rest = data[at + 2 :]
            return at + 2
        line = FIELD.match(data, at)
        if line is None or line.end() - at > _MAX_LINE_BYTES:
            return self._hold(data, at)
        self._trailer_bytes += line.end() - at
        if self._trailer_bytes > _MAX_TRAILER_BYTES:
            raise MessageError(431, "http1.trailers_too_large")
        return line.end()

    def _hold(self, data: bytes, at: int) -> int:
        """Keep an incomplete line; a complete one was wrong, or too long."""
        if b"\n" in data[at:] or len(data) - at > _MAX_LINE_BYTES or b"\r" in data[at:-1]:
            raise MessageError(400, "http1.codec_error")
        self._held = data[at:]
        return len(data)
