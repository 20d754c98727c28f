"""Messages on the edge of being one, changed a little more: what is read as a request, others read alike."""

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshsim.http1.errors import MessageError
from meshsim.http1.memo import request_heads
from meshsim.http1.requests import RequestReader
from tests.kits.ambiguous import HIDDEN, PASSED, REFUSED

pytestmark = pytest.mark.property

_Message = tuple[bytes, bytes]
_LONGEST = 600
_OF_THEIRS = frozenset(("blank lines first", "trailers"))
"""What h11 doesn't take, though it means one thing only."""
_SEEDS = tuple(
    [raw.lstrip(b"\r\n") for raw, _ in REFUSED.values() if len(raw) < _LONGEST]
    + [raw for name, (raw, _, _) in PASSED.items() if len(raw) < _LONGEST and name not in _OF_THEIRS]
)
_PIECES = (
    b"\r", b"\n", b"\r\n", b" ", b"\t", b";", b",", b":", b"0", b"1", b"a", b"-", b"+", b"_", b'"', b"\\", b"\x00",
    b"\xa0", b"chunked", b"Content-Length: 3\r\n", b"Transfer-Encoding: chunked\r\n", b"Host: app.test\r\n", HIDDEN,
)  # fmt: skip


@st.composite
def _changed(draw: st.DrawFn) -> bytes:
    raw = bytearray(draw(st.sampled_from(_SEEDS)))
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(raw)))
        gone = draw(st.integers(0, 3))
        raw[at : at + gone] = draw(st.sampled_from(_PIECES))
    return bytes(raw).lstrip(b"\r\n")


def _ours(*parts: bytes) -> tuple[list[_Message], bool]:
    """The requests, and whether something else followed them."""
    reader = RequestReader(request_heads(60 * 1024), max_body_bytes=1024 * 1024)
    found: list[_Message] = []
    try:
        for part in parts:
            found.extend((one.method, one.body) for one in reader.feed(part))
    except MessageError:
        return found, True
    return found, False


def _first_of_theirs(raw: bytes) -> _Message | None:
    reading = h11.Connection(h11.SERVER)
    reading.receive_data(raw)
    method = body = b""
    try:
        while (event := reading.next_event()) is not h11.NEED_DATA:
            if isinstance(event, h11.Request):
                method = event.method
            elif isinstance(event, h11.Data):
                body += event.data
            else:
                return method, body
    except h11.RemoteProtocolError:
        pass
    return None


@given(_changed())
def test_a_request_that_is_read_is_the_same_to_another_reader(raw: bytes) -> None:
    found, _ = _ours(raw)
    if found:
        assert _first_of_theirs(raw) == found[0]


@given(_changed(), st.data())
def test_requests_are_the_same_wherever_their_bytes_are_cut(raw: bytes, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(raw)))
    whole = _ours(raw)
    assert _ours(raw[:at], raw[at:]) == whole
    assert _ours(*(raw[at : at + 1] for at in range(len(raw)))) == whole
