"""The chunked coding."""

import pytest

from meshsim.http1.chunked import LAST_CHUNK, ChunkDecoder, encode_chunk
from meshsim.http1.errors import MessageError


def _decoded(data: bytes) -> tuple[bytes, ChunkDecoder]:
    decoder = ChunkDecoder()
    return b"".join(decoder.feed(data)), decoder


def test_a_body_is_decoded_and_what_follows_it_is_kept() -> None:
    body, decoder = _decoded(b"3\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\nGET /")
    assert body == b"abc0123456789"
    assert decoder.done
    assert decoder.rest == b"GET /"


def test_extensions_and_trailers_are_dropped() -> None:
    body, decoder = _decoded(b'3;name="v"\r\nabc\r\n0;x\r\nX-Trailer: 1\r\n\r\n')
    assert (body, decoder.done, decoder.rest) == (b"abc", True, b"")


def test_what_is_encoded_is_decoded() -> None:
    body, decoder = _decoded(encode_chunk(b"x" * 300) + LAST_CHUNK)
    assert (body, decoder.done) == (b"x" * 300, True)


@pytest.mark.parametrize(
    "data",
    [
        b"zz\r\nabc\r\n0\r\n\r\n",
        b"0x3\r\nabc\r\n0\r\n\r\n",
        b"+3\r\nabc\r\n0\r\n\r\n",
        b"-3\r\nabc\r\n0\r\n\r\n",
        b" 3\r\nabc\r\n0\r\n\r\n",
        b"3 \r\nabc\r\n0\r\n\r\n",
        b"3\nabc\r\n0\r\n\r\n",
        b"3\r\nabcd\r\n0\r\n\r\n",
        b"3\r\nabc\n0\r\n\r\n",
        b"3\r\nabc\r\r0\r\n\r\n",
        b"0\r\nBad Trailer: 1\r\n\r\n",
        b"0\r\n\n",
        b"1111111111111111\r\n",
        b"3;" + b"a" * 5000 + b"\r\nabc\r\n0\r\n\r\n",
        b"0\r\na: " + b"a" * 5000 + b"\r\n\r\n",
        b"1" * 5000,
    ],
)
def test_anything_but_the_strict_form_is_refused(data: bytes) -> None:
    with pytest.raises(MessageError):
        ChunkDecoder().feed(data)
