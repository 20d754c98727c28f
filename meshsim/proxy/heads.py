"""Heads as they are sent on: what Envoy's connection manager adds, strips and overwrites, each way."""

import asyncio
from binascii import hexlify
from collections.abc import Iterable
from datetime import UTC, datetime
from http import HTTPStatus
from os import urandom
from typing import Final

from meshsim.http1.fields import CHUNKED, Line, RequestFields, ResponseFields

_STRIPPED: Final = frozenset(
    b"x-envoy-" + name
    for name in (
        b"retry-on", b"retry-grpc-on", b"max-retries", b"retriable-status-codes", b"retriable-header-names",
        b"upstream-rq-timeout-ms", b"upstream-rq-per-try-timeout-ms", b"upstream-alt-stat-name",
        b"upstream-stream-duration-ms", b"hedge-on-per-try-timeout", b"expected-rq-timeout-ms", b"original-path",
        b"original-host", b"internal", b"decorator-operation", b"attempt-count", b"force-trace", b"ip-tags",
        b"downstream-service-cluster", b"downstream-service-node", b"is-timeout-retry",
    )
) | {b"x-forwarded-client-cert"}  # fmt: skip
_GATEWAY_OWNED: Final = frozenset(
    (b"x-forwarded-for", b"x-forwarded-proto", b"x-request-id", b"x-envoy-external-address")
)
_NOT_PASSED_DOWN: Final = frozenset((b"server", b"x-envoy-upstream-service-time"))

SERVED_BY: Final = {True: b"server: istio-envoy\r\n", False: b"server: envoy\r\n"}
"""The `server` line, by whether a gateway answers."""


_REASONS: Final = {
    102: b"Unknown",
    103: b"Unknown",
    413: b"Payload Too Large",
    414: b"URI Too Long",
    416: b"Range Not Satisfiable",
    418: b"Unknown",
    425: b"Too Early",
    451: b"Unknown",
    599: b"Last Unassigned Server Error Code",
}
"""Where Envoy's reason phrases are not the standard's."""


def reason_of(status: int) -> bytes:
    """Envoy's reason phrase, `Unknown` for a status that has none."""
    reason = _REASONS.get(status)
    if reason is not None:
        return reason
    try:
        return HTTPStatus(status).phrase.encode()
    except ValueError:
        return b"Unknown"


def status_line(status: int) -> bytes:
    """The first line of a response."""
    line = _STATUS_LINES.get(status)
    return b"HTTP/1.1 %d %b\r\n" % (status, reason_of(status)) if line is None else line


_STATUS_LINES: Final = {status: b"HTTP/1.1 %d %b\r\n" % (status, reason_of(status)) for status in range(200, 600)}


def written(lines: Iterable[Line]) -> bytes:
    """Header lines as they stand on the wire."""
    return b"".join([b"%b: %b\r\n" % line for line in lines])


class RequestSection:
    """The headers of requests with the same fields, as one role sends them on.

    `head` is everything up to what differs with each request: it ends in `x-forwarded-for: ` (gateway) or
    `x-request-id: ` (sidecar). `request_id` is the client's own, which a sidecar keeps.
    """

    __slots__ = ("forwarded_for", "head", "lines", "request_id")

    def __init__(self, lines: list[Line], head: bytes, request_id: bytes, forwarded_for: bytes) -> None:
        self.lines = lines
        self.head = head
        self.request_id = request_id
        self.forwarded_for = forwarded_for


def request_section(fields: RequestFields, *, is_gateway: bool) -> RequestSection:
    """What a role forwards of these fields; derived once for equal fields."""
    known = fields.forward.get(is_gateway)
    if isinstance(known, RequestSection):
        return known
    owned = _GATEWAY_OWNED if is_gateway else (b"x-request-id",)
    lines = [line for line in fields.lines if line[0] not in _STRIPPED and line[0] not in owned]
    if fields.length == CHUNKED:
        lines.append((b"transfer-encoding", b"chunked"))
    forwarded_for = b",".join(fields.values(b"x-forwarded-for"))
    if is_gateway:
        prefix = forwarded_for + b"," if forwarded_for else b""
        section = RequestSection(lines, written(lines) + b"x-forwarded-for: " + prefix, b"", forwarded_for)
    else:
        if not fields.values(b"x-forwarded-proto"):
            lines.append((b"x-forwarded-proto", b"http"))
        own_id = fields.first(b"x-request-id")
        section = RequestSection(lines, written(lines) + b"x-request-id: ", own_id, forwarded_for)
    fields.forward[is_gateway] = section
    return section


def peer_section(ip: bytes) -> bytes:
    """What a gateway says of its client, between `x-forwarded-for: ` and the request id."""
    return ip + b"\r\nx-forwarded-proto: http\r\nx-envoy-external-address: " + ip + b"\r\nx-request-id: "


class ResponseSection:
    """The start of responses with the same status and fields, as it is sent on.

    `head` is everything up to what differs with each response: it ends in `x-envoy-upstream-service-time: `.
    """

    __slots__ = ("head", "is_dated", "status")

    def __init__(self, status: int, fields: ResponseFields) -> None:
        self.status = status
        self.head = b"".join((status_line(status), written(response_lines(fields)), b"x-envoy-upstream-service-time: "))
        self.is_dated = bool(fields.values(b"date"))


def response_section(status: int, fields: ResponseFields) -> ResponseSection:
    """What is passed down of a response; derived once for equal fields."""
    known = fields.forward
    if isinstance(known, ResponseSection) and known.status == status:
        return known
    section = fields.forward = ResponseSection(status, fields)
    return section


def response_lines(fields: ResponseFields) -> list[Line]:
    """The headers of a response that are passed down."""
    return [line for line in fields.lines if line[0] not in _NOT_PASSED_DOWN]


class RequestIds:
    """Random UUIDs of version 4, written by the hundred: each column of the batch is filled at once."""

    __slots__ = ("_at", "_batch")

    def __init__(self) -> None:
        self._batch = b""
        self._at = 0

    def next(self) -> bytes:
        """A new one."""
        at = self._at
        if at >= len(self._batch):
            self._batch = _uuids()
            at = 0
        self._at = end = at + _UUID_LENGTH
        return self._batch[at:end]


_UUID_PATTERN: Final = b"xxxxxxxx-xxxx-4xxx-axxx-xxxxxxxxxxxx"
_UUID_LENGTH: Final = len(_UUID_PATTERN)
_BATCH: Final = 128
_RANDOM_COLUMNS: Final = tuple(column for column, letter in enumerate(_UUID_PATTERN) if letter == ord("x"))


def _uuids() -> bytes:
    digits = hexlify(urandom(_BATCH * len(_RANDOM_COLUMNS) // 2))
    batch = bytearray(_UUID_PATTERN * _BATCH)
    for at, column in enumerate(_RANDOM_COLUMNS):
        batch[column::_UUID_LENGTH] = digits[at * _BATCH : (at + 1) * _BATCH]
    return bytes(batch)


class DateLine:
    """`date: …`, formed at most once a second."""

    __slots__ = ("_line", "_loop", "_until")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._line = b""
        self._until = 0.0

    def get(self) -> bytes:
        """The header line of now."""
        now = self._loop.time()
        if now >= self._until:
            self._until = now + 0.5
            self._line = datetime.now(UTC).strftime("date: %a, %d %b %Y %H:%M:%S GMT\r\n").encode()
        return self._line
