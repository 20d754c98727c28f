"""Where a response ends, what it says, and what is no response."""

import pytest

from meshsim.load.reply import Reply, ReplyError, ReplyReader

_OK = b"HTTP/1.1 200 OK\r\nX-Version: v2\r\nContent-Length: 5\r\n\r\nhello"


def test_a_response_with_a_length_ends_with_its_body() -> None:
    reader = ReplyReader()
    assert reader.feed(_OK[:-1]) is None
    assert reader.feed(_OK[-1:]) == Reply(200, "v2", keeps_alive=True)


def test_responses_follow_one_another_on_a_connection() -> None:
    reader = ReplyReader()
    assert reader.feed(_OK) == reader.feed(_OK) == Reply(200, "v2", keeps_alive=True)


def test_a_chunked_response_ends_with_its_trailers() -> None:
    reader = ReplyReader()
    head = b"HTTP/1.1 200 OK\r\nx-version: v1\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert reader.feed(head + b"5;ext=1\r\nhello\r\n0\r\nx-trailer: 1\r\n") is None
    assert reader.feed(b"\r\n") == Reply(200, "v1", keeps_alive=True)


@pytest.mark.parametrize("status", [204, 304])
def test_some_statuses_have_no_body(status: int) -> None:
    assert ReplyReader().feed(b"HTTP/1.1 %d X\r\n\r\n" % status) == Reply(status, "", keeps_alive=True)


def test_interim_responses_are_passed_over() -> None:
    assert ReplyReader().feed(b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n" + _OK) == Reply(200, "v2", True)


def test_a_response_without_a_length_lasts_until_the_connection_closes() -> None:
    reader = ReplyReader()
    assert reader.feed(b"HTTP/1.1 200 OK\r\nx-version: v1\r\n\r\nbody") is None
    assert reader.end() == Reply(200, "v1", keeps_alive=False)


def test_a_response_cut_short_is_none() -> None:
    reader = ReplyReader()
    reader.feed(_OK[:-1])
    assert reader.end() is None


@pytest.mark.parametrize("head", [b"HTTP/1.1 200 OK\r\nConnection: close\r\n", b"HTTP/1.0 200 OK\r\n"])
def test_a_connection_that_will_close_is_not_used_again(head: bytes) -> None:
    assert ReplyReader().feed(head + b"Content-Length: 0\r\n\r\n") == Reply(200, "", keeps_alive=False)


@pytest.mark.parametrize(
    "garbage",
    [
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/2 200\r\n\r\n",
        b"x" * 70_000,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
)
def test_what_is_no_response_is_refused(garbage: bytes) -> None:
    with pytest.raises(ReplyError):
        ReplyReader().feed(garbage)
