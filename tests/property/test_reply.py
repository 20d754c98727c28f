"""However a response is cut into pieces, it is read the same."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshsim.load.reply import Reply, ReplyError, ReplyReader

pytestmark = pytest.mark.property

_BODY = st.binary(max_size=40)


@st.composite
def _response(draw: st.DrawFn) -> bytes:
    if draw(st.booleans()):
        body = draw(_BODY)
        return b"HTTP/1.1 200 OK\r\nx-version: v1\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(body), body) for body in draw(st.lists(_BODY)) if body)
    return b"HTTP/1.1 200 OK\r\nx-version: v1\r\ntransfer-encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n"


@given(_response(), st.lists(st.integers(0, 200)))
def test_a_response_cut_anywhere_is_the_same_response(data: bytes, cuts: list[int]) -> None:
    reader = ReplyReader()
    ends = sorted({*(cut for cut in cuts if cut < len(data)), len(data)})
    replies = [reader.feed(data[start:end]) for start, end in zip([0, *ends], ends, strict=False)]
    assert replies[-1] == Reply(200, "v1", keeps_alive=True)
    assert replies[:-1] == [None] * (len(replies) - 1)


@given(st.binary(max_size=300))
def test_random_bytes_raise_nothing_but_its_own_error(data: bytes) -> None:
    reader = ReplyReader()
    try:
        reader.feed(b"HTTP/1.1 200 OK\r\n" + data)
        reader.end()
    except ReplyError:
        pass
