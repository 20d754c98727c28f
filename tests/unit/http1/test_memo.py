"""Whole heads, read once."""

import pytest

from meshsim.http1.errors import MessageError
from meshsim.http1.memo import request_heads, response_heads

_HEAD = b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n"


def test_a_head_is_read_once_whatever_follows_it() -> None:
    heads = request_heads(max_bytes=1000)

    first = heads.read(_HEAD)

    assert first is not None
    assert (first.method, first.target, first.size, first.is_usual) == (b"GET", b"/a", len(_HEAD), True)
    assert heads.read(_HEAD + b"body") is first
    assert heads.read(b"GET /b HTTP/1.1\r\nHost: x\r\n\r\n") is not first


def test_requests_that_differ_in_their_targets_share_their_fields() -> None:
    heads = request_heads(max_bytes=1000)

    one, other = heads.read(_HEAD), heads.read(_HEAD.replace(b"/a", b"/b"))

    assert one is not None
    assert other is not None
    assert one.fields is other.fields


def test_what_is_incomplete_or_too_long_is_no_head() -> None:
    heads = request_heads(max_bytes=len(_HEAD))

    assert heads.read(b"") is None
    assert heads.read(_HEAD[:-1]) is None
    assert heads.read(_HEAD) is not None
    assert heads.read(_HEAD.replace(b"/a", b"/aa")) is None


def test_a_wrong_head_is_wrong_each_time() -> None:
    heads = request_heads(max_bytes=1000)
    for _ in range(2):
        with pytest.raises(MessageError):
            heads.read(b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n")


def test_responses_of_different_status_share_nothing() -> None:
    heads = response_heads()

    ok = heads.read(b"HTTP/1.1 200 OK\r\nA: b\r\n\r\n")
    missing = heads.read(b"HTTP/1.1 404 Not Found\r\nA: b\r\n\r\n")

    assert ok is not None
    assert missing is not None
    assert (ok.status, missing.status) == (200, 404)
    assert ok.fields is not missing.fields


def test_a_response_closes_its_connection_when_it_says_so_or_is_old() -> None:
    heads = response_heads()

    def closes(head: bytes) -> bool | None:
        found = heads.read(head)
        return None if found is None else found.closes

    assert closes(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n") is True
    assert closes(b"HTTP/1.1 200 OK\r\n\r\n") is False
    assert closes(b"HTTP/1.0 200 OK\r\n\r\n") is True
    assert closes(b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\n") is False


def test_the_memo_stays_small() -> None:
    heads = request_heads(max_bytes=10000)
    first = heads.read(_HEAD)
    for number in range(600):
        heads.read(b"GET /%d HTTP/1.1\r\nHost: x\r\n\r\n" % number)

    assert heads.read(_HEAD) is not first
    long = b"GET /" + b"y" * 5000 + b" HTTP/1.1\r\nHost: x\r\n\r\n"
    assert heads.read(long) is not heads.read(long)
