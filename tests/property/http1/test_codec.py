"""Laws of the codec: where bytes are cut changes nothing, nothing but its own error is raised, h11 agrees."""

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshsim.http1.chunked import LAST_CHUNK, ChunkDecoder, encode_chunk
from meshsim.http1.errors import MessageError
from meshsim.http1.fields import CHUNKED, read_request_fields, read_response_fields
from meshsim.http1.grammar import REQUEST_HEAD, RESPONSE_HEAD, fault_of
from tests.kits.chunked import read_chunked

pytestmark = pytest.mark.property

_TOKEN = st.text("abcXYZ-_1", min_size=1, max_size=8).map(str.encode)
_VALUE = st.text("ab c,;=\té", max_size=12).map(lambda text: text.encode("latin-1"))
_TARGET = st.text("/abc%?=&.~", max_size=12).map(lambda text: b"/" + text.encode())
_METHOD = st.sampled_from((b"GET", b"POST", b"DELETE", b"OPTIONS"))


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=6), st.binary(max_size=10), st.integers(1, 7))
def test_a_chunked_body_means_the_same_however_it_is_cut(pieces: list[bytes], rest: bytes, step: int) -> None:
    wire = b"".join(map(encode_chunk, pieces)) + LAST_CHUNK + rest
    decoder = ChunkDecoder()
    found = b""
    at = 0
    while not decoder.done:
        found += b"".join(decoder.feed(wire[at : at + step]))
        at += step
    assert found == b"".join(pieces)
    assert decoder.rest + wire[at:] == rest


@given(st.binary(max_size=60), st.integers(1, 60))
def test_random_bytes_raise_only_the_codecs_own_error_and_cuts_agree_on_it(data: bytes, cut: int) -> None:
    assert read_chunked([data]) == read_chunked([data[:cut], data[cut:]])


@given(_METHOD, _TARGET, st.lists(st.tuples(_TOKEN, _VALUE), max_size=6))
def test_what_the_codec_accepts_h11_reads_as_the_same_request(
    method: bytes, target: bytes, lines: list[tuple[bytes, bytes]]
) -> None:
    wire = b"".join(
        (method, b" ", target, b" HTTP/1.1\r\nHost: a\r\n", *(b"%b: %b\r\n" % line for line in lines), b"\r\n")
    )
    head = REQUEST_HEAD.match(wire)
    assert head is not None
    fields = read_request_fields(head[4])
    oracle = h11.Connection(h11.SERVER)
    oracle.receive_data(wire)
    request = oracle.next_event()
    assert isinstance(request, h11.Request)
    assert (request.method, request.target) == (head[1], head[2])
    assert [(name, value) for name, value in request.headers] == [
        (name, value.rstrip(b" \t")) for name, value in fields.lines
    ]


@given(st.binary(max_size=200))
def test_random_bytes_are_matched_or_explained_and_never_more(data: bytes) -> None:
    for head in (data, b"GET / HTTP/1.1\r\n" + data + b"\r\n\r\n"):
        if REQUEST_HEAD.match(head) is None:
            assert fault_of(head).status in (400, 426)
        RESPONSE_HEAD.match(head)


@given(st.lists(st.tuples(st.sampled_from((b"content-length", b"transfer-encoding", b"connection", b"x")), _VALUE)))
def test_header_sections_are_read_or_refused(lines: list[tuple[bytes, bytes]]) -> None:
    section = b"".join(b"%b: %b\r\n" % line for line in lines)
    for read in (read_request_fields, read_response_fields):
        try:
            fields = read(section)
        except MessageError:
            continue
        assert fields.length >= CHUNKED or read is read_response_fields
