"""Whole requests, bodies included: for a server whose requests are small."""

from collections.abc import Iterator
from dataclasses import dataclass

from meshsim.http1.chunked import ChunkDecoder
from meshsim.http1.errors import MessageError
from meshsim.http1.fields import CHUNKED, RequestFields
from meshsim.http1.grammar import MAX_HEAD_BYTES, REQUEST_LINE, fault_of
from meshsim.http1.head import PartialHead, without_blank_lines
from meshsim.http1.memo import HeadMemo, RequestHead
from meshsim.http1.target import addressed


@dataclass(frozen=True, slots=True)
class WholeRequest:
    """A request. `target` is in origin form; `keeps_alive`: its client may send another on the same connection."""

    method: bytes
    target: bytes
    fields: RequestFields
    body: bytes
    keeps_alive: bool


class RequestReader:
    """Takes the bytes of one connection as they come and gives back the requests in them."""

    __slots__ = ("_body", "_decoder", "_head", "_heads", "_left", "_max_body_bytes", "_partial")

    def __init__(self, heads: HeadMemo[RequestHead], max_body_bytes: int) -> None:
        self._heads = heads
        self._max_body_bytes = max_body_bytes
        self._partial: PartialHead | None = None
        self._head: RequestHead | None = None
        self._body = bytearray()
        self._left = 0
        self._decoder: ChunkDecoder | None = None

    @property
    def awaits_continue(self) -> bool:
        """The client holds the body back until it is told to go on."""
        return self._head is not None and not self._body and self._head.fields.first(b"expect") == b"100-continue"

    def feed(self, data: bytes) -> Iterator[WholeRequest]:
        """The requests that these bytes complete. Raises MessageError at the first that is none; nothing follows it."""
        while data:
            if self._head is None:
                data = self._take_head(data)
            elif self._decoder is not None:
                data = self._take_chunks(self._decoder, data)
            else:
                data = self._take_body(data)
            if self._head is not None and self._is_complete():
                yield self._completed(self._head)

    def _take_head(self, data: bytes) -> bytes:
        """Returns what of the bytes is behind the head."""
        if self._partial is None:
            data = without_blank_lines(data)
            self._partial = PartialHead(REQUEST_LINE, MAX_HEAD_BYTES)
        decided = self._partial.add(data)
        if decided is None:
            return b""
        is_too_long, self._partial = self._partial.is_too_long, None
        head = self._heads.read(decided)
        if head is None:
            rest = without_blank_lines(decided)
            if len(rest) < len(decided):
                return rest
            raise MessageError(431, "http1.headers_too_large") if is_too_long else fault_of(decided)
        self._begin_body(head)
        return decided[head.size :]

    def _begin_body(self, head: RequestHead) -> None:
        self._head = head
        if head.fields.length == CHUNKED:
            self._decoder = ChunkDecoder()
        else:
            self._left = head.fields.length
            self._check_size(self._left)

    def _take_body(self, data: bytes) -> bytes:
        self._body += data[: self._left]
        rest = data[self._left :]
        self._left -= len(data) - len(rest)
        return rest

    def _take_chunks(self, decoder: ChunkDecoder, data: bytes) -> bytes:
        for piece in decoder.feed(data):
            self._body += piece
        self._check_size(len(self._body))
        return decoder.rest

    def _check_size(self, size: int) -> None:
        if size > self._max_body_bytes:
            raise MessageError(413, "request_payload_too_large")

    def _is_complete(self) -> bool:
        return self._left == 0 if self._decoder is None else self._decoder.done

    def _completed(self, head: RequestHead) -> WholeRequest:
        target, fields = addressed(head.method, head.target, head.fields)
        body = bytes(self._body)
        self._head = self._decoder = None
        self._body.clear()
        return WholeRequest(head.method, target, fields, body, not (head.is_http10 or fields.close))
