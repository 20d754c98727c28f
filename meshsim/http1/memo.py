"""Whole heads: read once, then known by their bytes.

Clients and servers repeat themselves. What was read before is not matched, split and judged again: it is looked up.
"""

from collections.abc import Callable
from typing import Final, Generic, Protocol, TypeVar

from meshsim.http1.fields import FieldsMemo, RequestFields, ResponseFields, read_request_fields, read_response_fields
from meshsim.http1.grammar import END_OF_HEAD, REQUEST_HEAD, RESPONSE_HEAD

_MEMO_ENTRIES: Final = 512
_MEMO_HEAD_BYTES: Final = 2048


class RequestHead:
    """The head of a request, `size` bytes long. `is_usual`: a path, and a host that can be one."""

    __slots__ = ("fields", "is_http10", "is_usual", "method", "size", "target")

    def __init__(self, method: bytes, target: bytes, minor: bytes, fields: RequestFields, size: int) -> None:
        self.method = method
        self.target = target
        self.is_http10 = minor == b"0"
        self.fields = fields
        self.size = size
        has_host = fields.host is not None and fields.host_is_valid
        self.is_usual = has_host and target[:1] == b"/" and method != b"CONNECT"


class ResponseHead:
    """The head of a response, `size` bytes long. `closes`: no other response follows on its connection."""

    __slots__ = ("closes", "fields", "size", "status")

    def __init__(self, status: int, minor: bytes, fields: ResponseFields, size: int) -> None:
        self.status = status
        self.fields = fields
        self.size = size
        self.closes = fields.close or (minor == b"0" and not fields.keep_alive)


def request_heads(max_bytes: int) -> "HeadMemo[RequestHead]":
    """A memo of requests' heads up to that length. Targets differ more than headers do: those are shared."""
    sections = FieldsMemo(read_request_fields)

    def read(data: bytes) -> RequestHead | None:
        head = REQUEST_HEAD.match(data)
        if head is None or head.end() > max_bytes:
            return None
        method, target, minor, section = head.groups()
        return RequestHead(method, target, minor, sections.read(section), head.end())

    return HeadMemo(read)


def response_heads() -> "HeadMemo[ResponseHead]":
    """A memo of responses' heads. No two share their fields, so that what is derived from those is for one status."""

    def read(data: bytes) -> ResponseHead | None:
        head = RESPONSE_HEAD.match(data)
        if head is None:
            return None
        minor, number, section = head.groups()
        status = int(number)
        return ResponseHead(status, minor, read_response_fields(section).of(status, minor), head.end())

    return HeadMemo(read)


class Sized(Protocol):
    """A head that was read."""

    size: int


H = TypeVar("H", bound=Sized)


class HeadMemo(Generic[H]):
    """Reads heads, remembering most of the last few hundred: at most a megabyte."""

    __slots__ = ("_known", "_read")

    def __init__(self, read: Callable[[bytes], H | None]) -> None:
        self._read = read
        self._known: dict[bytes, H] = {}

    def read(self, data: bytes) -> H | None:
        """The head that these bytes begin with; None when they begin with none. Raises MessageError."""
        # A head ends at its first blank line. Without one this looks for too few bytes to be known.
        known = self._known.get(data[: data.find(END_OF_HEAD) + len(END_OF_HEAD)])
        return self._remember(data) if known is None else known

    def _remember(self, data: bytes) -> H | None:
        head = self._read(data)
        if head is not None and head.size <= _MEMO_HEAD_BYTES:
            if len(self._known) >= _MEMO_ENTRIES:
                self._known.clear()
            self._known[data[: head.size]] = head
        return head
