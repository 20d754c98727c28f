"""The header section of a message: read once, then shared by every message that carries the same bytes.

Clients and servers repeat themselves: on a keep-alive connection most heads differ in the request line or not
at all. `FieldsMemo` therefore remembers what a header section meant. Everything here is immutable.
"""

import re
from collections.abc import Callable, Iterable
from copy import copy
from typing import Final, Generic, Self, TypeVar

from meshsim.http1.errors import MessageError
from meshsim.http1.grammar import FIELD_LINE, MAX_FIELDS, TOKEN

Line = tuple[bytes, bytes]
"""A header's name, lower-case, and its value."""

CHUNKED: Final = -1
"""The body's length is told by its chunks."""
UNTIL_CLOSE: Final = -2
"""The body ends with the connection (responses only)."""

_HOP_BY_HOP: Final = frozenset(
    (b"connection", b"keep-alive", b"proxy-connection", b"upgrade", b"transfer-encoding", b"http2-settings", b"te")
)
_KEPT_OPTIONS: Final = frozenset((b"close", b"keep-alive", b"upgrade", b"te", b"host", b"content-length"))
"""What `Connection` names to no effect: its own words, and headers that a message cannot do without."""
_GRPC: Final = re.compile(rb"application/grpc(?:[+;]|$)")
_LENGTH: Final = re.compile(rb"[0-9]{1,18}")
_CODING: Final = re.compile(TOKEN + rb"++")
_NAME: Final = rb"(?:[A-Za-z0-9\-._~!$&'()*+;=]|%[0-9A-Fa-f]{2})*+"
_IPV6: Final = rb"\[[0-9A-Fa-f.]*+:[0-9A-Fa-f:.]*+\]"
_AUTHORITY: Final = re.compile(rb"(?:" + _IPV6 + rb"|" + _NAME + rb")(?::([0-9]{0,5}))?")
"""A comma is no part of a name here, though a URI may have it: a list of hosts is no host."""
_MAX_PORT: Final = 65535


class Fields:
    """The headers of one message.

    `lines` are the end-to-end headers in their order. `length` is the body's length in bytes, CHUNKED, or
    UNTIL_CLOSE. `close` and `keep_alive` are what `Connection` asks for; `upgrade` is the protocol asked for.
    """

    __slots__ = ("_index", "close", "keep_alive", "length", "lines", "measured", "upgrade")

    def __init__(self, lines: tuple[Line, ...], length: int, measured: bool, options: frozenset[bytes], upgrade: bytes):
        self.lines = lines
        self.length = length
        self.measured = measured
        """A Content-Length or a Transfer-Encoding was given."""
        self.close = b"close" in options
        self.keep_alive = b"keep-alive" in options
        self.upgrade = upgrade
        self._index: dict[bytes, tuple[bytes, ...]] | None = None

    def values(self, name: bytes) -> tuple[bytes, ...]:
        """The values of a header, one for each line that has it."""
        index = self._index
        if index is None:
            index = {}
            for line_name, value in self.lines:
                index[line_name] = (*index.get(line_name, ()), value)
            self._index = index
        return index.get(name, ())

    def first(self, name: bytes) -> bytes:
        """The value of the first line of a header, empty without one."""
        values = self.values(name)
        return values[0] if values else b""

    def _with_lines(self, lines: Iterable[Line]) -> Self:
        changed = copy(self)
        changed.lines = tuple(lines)
        changed._index = None  # noqa: SLF001 - its own class's
        return changed


def is_authority(text: bytes) -> bool:
    """Whether a text can be a Host: one name or address, perhaps empty, perhaps with a port. A user can't be in it."""
    found = _AUTHORITY.fullmatch(text)
    return found is not None and (not found[1] or int(found[1]) <= _MAX_PORT)


class RequestFields(Fields):
    """The headers of a request. `host` is None when there is none; several are joined, and are no valid one."""

    __slots__ = ("forward", "host", "host_is_valid", "is_grpc")

    def __init__(self, lines: tuple[Line, ...], length: int, measured: bool, options: frozenset[bytes], upgrade: bytes):
        hosts = [value for name, value in lines if name == b"host"]
        self.host = b",".join(hosts) if hosts else None
        super().__init__(lines, length, measured, options, upgrade)
        self.host_is_valid = self.host is None or is_authority(self.host)
        self.is_grpc = _GRPC.match(self.first(b"content-type")) is not None
        self.forward: dict[bool, object] = {}
        """What whoever forwards these fields derived from them, by the role they acted in."""

    def for_authority(self, authority: bytes) -> "RequestFields":
        """The same request with that Host, and no other."""
        changed = self._with_lines(((b"host", authority), *(line for line in self.lines if line[0] != b"host")))
        changed.host = authority
        changed.host_is_valid = is_authority(authority)
        changed.forward = {}
        return changed

    def without_upgrade(self) -> "RequestFields":
        """The same request without its wish to switch protocols."""
        changed = self._with_lines(self.lines)
        changed.upgrade = b""
        changed.forward = {}
        return changed


class ResponseFields(Fields):
    """The headers of a response."""

    __slots__ = ("forward",)

    def __init__(self, lines: tuple[Line, ...], length: int, measured: bool, options: frozenset[bytes], upgrade: bytes):
        super().__init__(lines, length, measured, options, upgrade)
        self.forward: object = None
        """What whoever forwards these fields derived from them."""

    def of(self, status: int, minor: bytes) -> "ResponseFields":
        """The headers of a response with that status and minor version. Raises MessageError.

        HTTP/1.0 knows no chunks: who wrote them and who would read them disagree on where the body ends. Nothing
        follows 204 and 1xx, and no length is said of it.
        """
        if minor == b"0" and self.length == CHUNKED:
            raise MessageError(502, "protocol_error")
        if not self.measured or (status >= 200 and status != 204):
            return self
        if self.length != 0:
            raise MessageError(502, "protocol_error")
        changed = self._with_lines(line for line in self.lines if line[0] != b"content-length")
        changed.forward = None
        return changed


def read_request_fields(section: bytes) -> RequestFields:
    """Read a request's header section as REQUEST_HEAD matched it. Raises MessageError."""
    lines, options, lengths, codings, upgrade = _read(section)
    if codings and lengths:
        raise MessageError(400, "http1.content_length_and_chunked_not_allowed")
    if codings and not _is_chunked(codings):
        raise MessageError(501 if _is_unknown(codings) else 400, "http1.invalid_transfer_encoding")
    length = _length_of(lengths, 400) if lengths else 0
    return RequestFields(lines, CHUNKED if codings else length, bool(codings or lengths), options, upgrade)


def read_response_fields(section: bytes) -> ResponseFields:
    """Read a response's header section as RESPONSE_HEAD matched it. Raises MessageError."""
    lines, options, lengths, codings, upgrade = _read(section, too_many=MessageError(502, "too_many_headers"))
    if codings and (lengths or not _is_chunked(codings)):
        raise MessageError(502, "protocol_error")
    length = CHUNKED if codings else _length_of(lengths, 502) if lengths else UNTIL_CLOSE
    return ResponseFields(lines, length, bool(codings or lengths), options, upgrade)


_Read = tuple[tuple[Line, ...], frozenset[bytes], list[bytes], list[bytes], bytes]
_TOO_MANY: Final = (431, "http1.too_many_headers")


def _read(section: bytes, too_many: MessageError | None = None) -> _Read:
    lines: list[Line] = []
    hops: dict[bytes, list[bytes]] = {}
    lengths: list[bytes] = []
    for raw_name, raw_value in FIELD_LINE.findall(section):
        name, value = raw_name.lower(), raw_value.rstrip(b" \t")
        if name in _HOP_BY_HOP:
            hops.setdefault(name, []).append(value)
            continue
        if name == b"content-length":
            lengths.append(value)
            # Who reads numbers as a program's source does takes zeros in front for an octal one.
            value = value.lstrip(b"0") or value[-1:]
        lines.append((name, value))
    if len(lines) > MAX_FIELDS:
        raise too_many or MessageError(*_TOO_MANY)
    options = frozenset[bytes]().union(*(_tokens(value) for value in hops.get(b"connection", ())))
    named = options - _KEPT_OPTIONS
    if named:
        lines = [line for line in lines if line[0] not in named]
    if any(b"trailers" in _tokens(value) for value in hops.get(b"te", ())):
        lines.append((b"te", b"trailers"))
    upgrade = hops.get(b"upgrade", [b""])[-1].lower() if b"upgrade" in options else b""
    # An offer of HTTP/2 may be ignored, and is.
    return tuple(lines), options, lengths, hops.get(b"transfer-encoding", []), b"" if upgrade == b"h2c" else upgrade


def _tokens(value: bytes) -> frozenset[bytes]:
    return frozenset(token.strip(b" \t").lower() for token in value.split(b","))


def _is_chunked(codings: list[bytes]) -> bool:
    return len(codings) == 1 and codings[0].lower() == b"chunked"


def _is_unknown(codings: list[bytes]) -> bool:
    """Whether these codings would tell where a body ends, to somebody who knows them."""
    *inner, last = [coding.strip(b" \t").lower() for line in codings for coding in line.split(b",")]
    return b"chunked" not in inner and all(_CODING.fullmatch(coding) for coding in (*inner, last))


def _length_of(lengths: list[bytes], status: int) -> int:
    if len(lengths) != 1 or _LENGTH.fullmatch(lengths[0]) is None:
        raise MessageError(status, "http1.codec_error" if status == 400 else "protocol_error")
    return int(lengths[0])


F = TypeVar("F", bound=Fields)

_MEMO_ENTRIES: Final = 512
_MEMO_SECTION_BYTES: Final = 2048


class FieldsMemo(Generic[F]):
    """Reads header sections, remembering the last few hundred: a few megabytes at most."""

    __slots__ = ("_known", "_read")

    def __init__(self, read: Callable[[bytes], F]) -> None:
        self._read = read
        self._known: dict[bytes, F] = {}

    def read(self, section: bytes) -> F:
        """The meaning of a header section. Raises MessageError."""
        fields = self._known.get(section)
        if fields is None:
            fields = self._read(section)
            if len(section) <= _MEMO_SECTION_BYTES:
                if len(self._known) >= _MEMO_ENTRIES:
                    self._known.clear()
                self._known[section] = fields
        return fields


NO_FIELDS: Final = read_request_fields(b"")
"""Of a request that could not be read."""
