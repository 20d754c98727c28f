"""Laws of whole messages: cuts change nothing, only the codec's own error is raised, h11 reads the same."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import h11
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from meshsim.http1.chunked import ChunkDecoder
from meshsim.http1.errors import MessageError
from meshsim.http1.fields import CHUNKED, Line
from meshsim.http1.grammar import MAX_HEAD_BYTES, REQUEST_LINE, STATUS_LINE, fault_of
from meshsim.http1.head import PartialHead
from meshsim.http1.memo import RequestHead, ResponseHead, request_heads, response_heads

pytestmark = pytest.mark.property


@dataclass(frozen=True, slots=True)
class Message:
    """What was read: the first line, the end-to-end headers, the body as far as it came."""

    first: tuple[bytes, ...]
    lines: tuple[Line, ...]
    body: bytes
    is_whole: bool


REFUSED = "refused"
INCOMPLETE = "incomplete"


def _read(parts: Sequence[bytes], *, is_request: bool) -> Message | str:
    """Read a message as the connections do. Raises nothing, whatever the bytes are."""
    partial = PartialHead(REQUEST_LINE if is_request else STATUS_LINE, MAX_HEAD_BYTES)
    heads = request_heads(MAX_HEAD_BYTES) if is_request else response_heads()
    for number, part in enumerate(parts):
        data = partial.add(part)
        if data is None:
            continue
        try:
            head = heads.read(data)
            if head is None:
                if is_request:
                    assert fault_of(data).status in (400, 426)
                return REFUSED
            return _with_body(head, [data[head.size :], *parts[number + 1 :]])
        except MessageError:
            return REFUSED
    return INCOMPLETE


def _with_body(head: RequestHead | ResponseHead, rest: Sequence[bytes]) -> Message:
    fields = head.fields
    if isinstance(head, RequestHead):
        first: tuple[bytes, ...] = (head.method, head.target)
    else:
        first = (b"%d" % head.status,)
    if fields.length != CHUNKED:
        body = b"".join(rest)
        is_whole = 0 <= fields.length <= len(body)
        return Message(first, fields.lines, body[: fields.length] if is_whole else body, is_whole)
    decoder = ChunkDecoder()
    pieces = [piece for part in rest if not decoder.done for piece in decoder.feed(part)]
    return Message(first, fields.lines, b"".join(pieces), decoder.done)


def _cut_everywhere(wire: bytes) -> Iterator[list[bytes]]:
    yield [wire[at : at + 1] for at in range(len(wire))]
    for at in range(1, len(wire)):
        yield [wire[:at], wire[at:]]


_GOOD = st.sampled_from(
    (b"X-B: 1\r\n", b"x-b:\t two \t\r\n", b"X-C: \r\n", b"X_c:\xe9\r\n", b"Connection: close\r\n",
     b"Connection: x-a, keep-alive\r\n", b"X-A: 1\r\n", b"TE: trailers\r\n", b"Upgrade: websocket\r\n")
)  # fmt: skip
_BAD = st.sampled_from(
    (b"Bad : x\r\n", b"X: a\rb\r\n", b"X: a\r\n folded\r\n", b"X: lf\n", b": x\r\n", b"Content-Length: 3, 3\r\n",
     b"Content-Length: +3\r\n", b"Transfer-Encoding: gzip\r\n", b"Transfer-Encoding: chunked\r\n")
)  # fmt: skip
_HEADERS = st.one_of(st.lists(_GOOD, max_size=4), st.lists(st.one_of(_GOOD, _BAD), max_size=4)).map(b"".join)
_CHUNKED = b"Transfer-Encoding: Chunked\r\n"
_FRAMED = st.sampled_from(
    (
        (b"", b""), (b"", b"GET / HTTP/1.1\r\n"), (b"Content-Length: 3\r\n", b"abc"),
        (b"Content-Length: 03\r\n", b"abcd"),
        (b"Content-Length: 3\r\n", b"ab"), (_CHUNKED, b"3\r\nabc\r\n0\r\n\r\n"),
        (_CHUNKED, b"3;x=y\r\nabc\r\nA\r\n0123456789\r\n0\r\nT: 1\r\n\r\n"),
        (_CHUNKED, b"3\r\nabcd\r\n0\r\n\r\n"),
        (_CHUNKED, b"3 \r\nabc\r\n0\r\n\r\n"), (_CHUNKED, b"zz\r\n"), (_CHUNKED, b"3\nabc\n0\n\n"),
        (_CHUNKED, b"1\r\na\r\n"),
    )
)  # fmt: skip
"""What is said of the body, and the body."""
_REQUEST_LINES = st.sampled_from(
    (b"GET /a?b HTTP/1.1\r\n", b"POST / HTTP/1.1\r\n", b"GET http://a/b HTTP/1.1\r\n", b"GET / HTTP/1.0\r\n",
     b"GET  / HTTP/1.1\r\n", b"get / HTTP/1.1\r\n", b"GET / HTTP/2.0\r\n", b"GET /\r\n", b"GET / HTTP/1.1\n")
)  # fmt: skip
_STATUS_LINES = st.sampled_from(
    (b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 404\r\n", b"HTTP/1.0 200 OK\r\n", b"HTTP/1.1 204 No\r\n", b"HTTP/1.1 304 \r\n",
     b"HTTP/1.1 099 OK\r\n", b"HTTP/2.0 200 OK\r\n", b"HTTP/1.1 200 OK\n")
)  # fmt: skip


def _wires(first: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    """Messages, many of them wrong, some with a byte that isn't as it was."""
    whole = st.tuples(first, _HEADERS, _FRAMED).map(
        lambda parts: parts[0] + b"Host: a\r\n" + parts[1] + parts[2][0] + b"\r\n" + parts[2][1]
    )
    noise = st.tuples(whole, st.integers(0, 60), st.integers(0, 255)).map(
        lambda parts: parts[0][: parts[1]] + bytes([parts[2]]) + parts[0][parts[1] + 1 :]
    )
    return st.one_of(whole, noise)


@given(_wires(_REQUEST_LINES))
@example(b"GET / HTTP/1.1\r\nHost: a\n\n")
def test_a_request_is_the_same_however_it_is_cut(wire: bytes) -> None:
    expected = _read([wire], is_request=True)
    for parts in _cut_everywhere(wire):
        assert _read(parts, is_request=True) == expected


@given(_wires(_STATUS_LINES))
def test_a_response_is_the_same_however_it_is_cut(wire: bytes) -> None:
    expected = _read([wire], is_request=False)
    for parts in _cut_everywhere(wire):
        assert _read(parts, is_request=False) == expected


@given(st.lists(st.binary(max_size=80), max_size=4), st.booleans())
def test_random_bytes_are_read_or_refused_and_nothing_else(parts: list[bytes], is_request: bool) -> None:
    _read(parts, is_request=is_request)


@given(_wires(_REQUEST_LINES))
def test_h11_reads_every_accepted_request_as_the_same(wire: bytes) -> None:
    found = _read([wire], is_request=True)
    if not isinstance(found, Message) or not found.is_whole:
        return
    oracle = h11.Connection(h11.SERVER)
    head, body = _by_h11(oracle, wire)
    assert isinstance(head, h11.Request)
    assert (head.method, head.target) == found.first
    assert body == found.body
    assert _end_to_end(head) == [line for line in found.lines if line[0] not in _OURS]


@given(_wires(_STATUS_LINES))
def test_h11_reads_every_accepted_response_as_the_same(wire: bytes) -> None:
    found = _read([wire], is_request=False)
    # The body of 204 and 304 is left to whoever knows the request.
    if not isinstance(found, Message) or not found.is_whole or found.first[0] in (b"204", b"304"):
        return
    oracle = h11.Connection(h11.CLIENT)
    oracle.send(h11.Request(method="GET", target="/", headers=[("host", "a")]))
    oracle.send(h11.EndOfMessage())
    head, body = _by_h11(oracle, wire)
    assert isinstance(head, h11.Response)
    assert (b"%d" % head.status_code,) == found.first
    assert body == found.body
    assert _end_to_end(head) == [line for line in found.lines if line[0] not in _OURS]


_OURS = frozenset((b"te", b"x-a", b"content-length"))
"""What the codec changes: `TE` is put into order, `Connection` may name `X-A`, h11 writes lengths its own way."""
_HOP_BY_HOP = frozenset((b"connection", b"transfer-encoding", b"upgrade", *_OURS))


def _end_to_end(head: h11.Request | h11.Response) -> list[tuple[bytes, bytes]]:
    return [(name, value) for name, value in head.headers if name not in _HOP_BY_HOP]


def _by_h11(oracle: h11.Connection, wire: bytes) -> tuple[object, bytes]:
    oracle.receive_data(wire)
    head = oracle.next_event()
    body = b""
    while isinstance(event := oracle.next_event(), h11.Data):
        body += event.data
    assert isinstance(event, h11.EndOfMessage)
    return head, body
