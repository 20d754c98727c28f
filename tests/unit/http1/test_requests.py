"""Whole requests from the bytes of a connection."""

import pytest

from meshsim.http1.errors import MessageError
from meshsim.http1.memo import request_heads
from meshsim.http1.requests import RequestReader, WholeRequest

_TWO = (
    b"\r\nPOST /a HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n\r\nabc"
    b"PUT http://y/b?c HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
    b"2;e\r\nde\r\n1\r\nf\r\n0\r\nt: u\r\n\r\n"
    b"GET /c HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
)
_READ = [(b"/a", b"x", b"abc", True), (b"/b?c", b"y", b"def", True), (b"/c", b"x", b"", False)]


def _reader() -> RequestReader:
    return RequestReader(request_heads(60 * 1024), max_body_bytes=100)


def _facts(requests: list[WholeRequest]) -> list[tuple[bytes, bytes | None, bytes, bool]]:
    return [(one.target, one.fields.host, one.body, one.keeps_alive) for one in requests]


def test_requests_that_come_together_are_told_apart() -> None:
    assert _facts(list(_reader().feed(_TWO))) == _READ


def test_requests_that_are_cut_at_any_byte_are_the_same() -> None:
    for at in range(len(_TWO)):
        reader = _reader()
        assert _facts([*reader.feed(_TWO[:at]), *reader.feed(_TWO[at:])]) == _READ


def test_requests_that_come_byte_by_byte_are_the_same() -> None:
    reader = _reader()
    assert _facts([one for at in range(len(_TWO)) for one in reader.feed(_TWO[at : at + 1])]) == _READ


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nhost: a/b\r\n\r\n", 400),
        (b"GET x HTTP/1.1\r\nhost: a\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nhost: a\r\nx : y\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nhost: a\r\ncontent-length: 101\r\n\r\n", 413),
        (b"GET / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n65\r\n" + b"x" * 101, 413),
        (b"GET / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n+1\r\n", 400),
        (b"GET / HTTP/1.1\r\nhost: a\r\nx: " + b"y" * 61 * 1024, 431),
        (b"GET / HTTP/1.1\r\nhost: a\r\nx: " + b"y" * 61 * 1024 + b"\r\n\r\n", 431),
    ],
)
def test_what_is_no_request_for_it_is_said_by_its_status(raw: bytes, status: int) -> None:
    with pytest.raises(MessageError) as raised:
        list(_reader().feed(raw))
    assert raised.value.status == status


def test_what_came_whole_before_a_wrong_one_is_still_read() -> None:
    seen: list[WholeRequest] = []
    with pytest.raises(MessageError):
        seen.extend(_reader().feed(b"GET / HTTP/1.1\r\nhost: a\r\n\r\nnonsense\n"))
    assert _facts(seen) == [(b"/", b"a", b"", True)]


def test_a_client_that_waits_with_its_body_is_noticed() -> None:
    reader = _reader()
    assert not list(reader.feed(b"POST / HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 1\r\n\r\n"))
    assert reader.awaits_continue
    assert list(reader.feed(b"x"))
    assert not reader.awaits_continue
