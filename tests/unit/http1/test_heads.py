"""Reading the head of a message: what passes, what is refused, and what is said of it."""

import pytest

from meshsim.http1.errors import MessageError
from meshsim.http1.fields import (
    CHUNKED,
    UNTIL_CLOSE,
    FieldsMemo,
    is_authority,
    read_request_fields,
    read_response_fields,
)
from meshsim.http1.grammar import REQUEST_HEAD, RESPONSE_HEAD, fault_of

_HOST = b"Host: a\r\n"


def test_a_request_head_is_taken_apart_in_one_match() -> None:
    head = REQUEST_HEAD.match(b"GET /a?b=c HTTP/1.1\r\nHost: x\r\nA: b\r\n\r\nbody")
    assert head is not None
    assert head.groups() == (b"GET", b"/a?b=c", b"1", b"Host: x\r\nA: b\r\n")
    assert head.end() == len(b"GET /a?b=c HTTP/1.1\r\nHost: x\r\nA: b\r\n\r\n")


@pytest.mark.parametrize(
    "head",
    [
        b"get / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"FOO / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /\x01 HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /\xc3\xa9 HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\nHost: a\n\n",
        b"GET / HTTP/1.1\r\nHost : a\r\n\r\n",
        b"GET / HTTP/1.1\r\nBad Name: a\r\n\r\n",
        b"GET / HTTP/1.1\r\n: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nX: a\r\n folded\r\n\r\n",
        b"GET / HTTP/1.1\r\nX: a\rb\r\n\r\n",
        b"GET / HTTP/1.1\r\nX: a\x00b\r\n\r\n",
        b"GET / HTTP/1.1 \r\nHost: a\r\n\r\n",
        b"hello\r\n\r\n",
    ],
)
def test_what_is_not_strictly_a_request_head_is_never_forwarded(head: bytes) -> None:
    assert REQUEST_HEAD.match(head) is None
    assert fault_of(head).status == 400


@pytest.mark.parametrize("line", [b"GET / HTTP/0.9", b"GET / HTTP/2.0", b"GET /"])
def test_another_version_is_told_to_upgrade(line: bytes) -> None:
    fault = fault_of(line + b"\r\nHost: a\r\n\r\n")
    assert (fault.status, fault.details) == (426, "low_version")


def test_a_response_head_is_taken_apart_in_one_match() -> None:
    head = RESPONSE_HEAD.match(b"HTTP/1.1 404 Not there\r\nA: b\r\n\r\n")
    assert head is not None
    assert head.groups() == (b"1", b"404", b"A: b\r\n")
    assert RESPONSE_HEAD.match(b"HTTP/1.1 200\r\n\r\n") is not None
    assert RESPONSE_HEAD.match(b"hello world\r\n\r\n") is None


def test_names_become_lower_case_and_values_lose_their_blanks() -> None:
    fields = read_request_fields(b"HoSt: \t A.b \t\r\nX-Empty:\r\n")
    assert fields.lines == ((b"host", b"A.b"), (b"x-empty", b""))
    assert fields.host == b"A.b"


def test_headers_of_the_connection_are_not_passed_on() -> None:
    fields = read_request_fields(
        _HOST + b"Connection: close, X-Mine\r\nX-Mine: 1\r\nKeep-Alive: 5\r\nProxy-Connection: a\r\nX-Other: 2\r\n"
    )
    assert fields.lines == ((b"host", b"a"), (b"x-other", b"2"))
    assert fields.close


def test_connection_cannot_take_away_what_a_message_needs() -> None:
    fields = read_request_fields(_HOST + b"Content-Length: 3\r\nConnection: content-length, host\r\n")
    assert (b"content-length", b"3") in fields.lines
    assert (b"host", b"a") in fields.lines


def test_te_keeps_only_trailers() -> None:
    assert (b"te", b"trailers") in read_request_fields(_HOST + b"TE: trailers, deflate\r\n").lines
    assert read_request_fields(_HOST + b"TE: deflate\r\n").lines == ((b"host", b"a"),)


def test_several_hosts_are_joined_for_the_log_and_are_no_host() -> None:
    both = read_request_fields(b"Host: a\r\nX: 1\r\nHost: b\r\n")
    assert (both.host, both.host_is_valid) == (b"a,b", False)
    assert read_request_fields(b"A: b\r\n").host is None


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        (b"a", True), (b"", True), (b"a_b.C-d.test:8080", True), (b"a:", True), (b"a%2eb:65535", True),
        (b"127.0.0.1:1", True), (b"[::1]", True), (b"[::ffff:10.0.0.1]:80", True), (b"*.a", True),
        (b"a,b", False), (b"u@a", False), (b"a/b", False), (b"a?b", False), (b"a:65536", False), (b"a:1:2", False),
        (b"::1", False), (b"[::1", False), (b"[a]", False), (b"a b", False), (b"\xe4", False), (b"%zz", False),
    ],
)  # fmt: skip
def test_a_host_is_one_name_or_address_perhaps_with_a_port(text: bytes, is_one: bool) -> None:
    assert is_authority(text) is is_one


def test_a_length_goes_on_without_zeros_in_front() -> None:
    assert read_request_fields(b"Content-Length: 010\r\n").lines == ((b"content-length", b"10"),)
    assert read_response_fields(b"Content-Length: 00\r\n").lines == ((b"content-length", b"0"),)


def test_the_length_of_a_body() -> None:
    assert read_request_fields(_HOST).length == 0
    assert read_request_fields(_HOST + b"Content-Length: 12\r\n").length == 12
    assert read_request_fields(_HOST + b"Transfer-Encoding: CHUNKED\r\n").length == CHUNKED
    assert read_response_fields(b"A: b\r\n").length == UNTIL_CLOSE
    assert read_response_fields(b"Content-Length: 0\r\n").length == 0


@pytest.mark.parametrize(
    ("section", "status"),
    [
        (b"Content-Length: 2\r\nContent-Length: 2\r\n", 400),
        (b"Content-Length: 2, 2\r\n", 400),
        (b"Content-Length: -1\r\n", 400),
        (b"Content-Length: +1\r\n", 400),
        (b"Content-Length: 0x1\r\n", 400),
        (b"Content-Length: 1_0\r\n", 400),
        (b"Content-Length:\r\n", 400),
        (b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n", 400),
        (b"Transfer-Encoding: gzip, chunked\r\n", 501),
        (b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", 400),
        (b"Transfer-Encoding: chunked, gzip\r\n", 400),
        (b"Transfer-Encoding: ,chunked\r\n", 400),
        (b"Transfer-Encoding: identity\r\n", 501),
        (b"Transfer-Encoding: xchunked\r\n", 501),
    ],
)
def test_a_request_whose_length_is_in_doubt_is_refused(section: bytes, status: int) -> None:
    with pytest.raises(MessageError) as refused:
        read_request_fields(_HOST + section)
    assert refused.value.status == status


@pytest.mark.parametrize(
    "section",
    [
        b"Content-Length: abc\r\n",
        b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: gzip\r\n",
        b"".join(b"x-%d: 1\r\n" % n for n in range(101)),
    ],
)
def test_a_response_whose_length_is_in_doubt_is_refused(section: bytes) -> None:
    with pytest.raises(MessageError) as refused:
        read_response_fields(section)
    assert refused.value.status == 502


def test_a_hundred_headers_are_enough() -> None:
    hundred = b"".join(b"x-%d: 1\r\n" % n for n in range(100))
    assert len(read_request_fields(hundred).lines) == 100
    with pytest.raises(MessageError) as refused:
        read_request_fields(hundred + _HOST)
    assert refused.value.status == 431


def test_an_upgrade_counts_only_when_connection_names_it() -> None:
    assert read_request_fields(_HOST + b"Upgrade: WebSocket\r\nConnection: Upgrade\r\n").upgrade == b"websocket"
    assert read_request_fields(_HOST + b"Upgrade: websocket\r\n").upgrade == b""


def test_values_are_kept_line_by_line() -> None:
    fields = read_request_fields(_HOST + b"A: 1\r\nB: 2\r\na: 3\r\n")
    assert fields.values(b"a") == (b"1", b"3")
    assert fields.first(b"a") == b"1"
    assert fields.values(b"c") == ()
    assert fields.first(b"c") == b""


def test_equal_sections_are_read_once_and_the_memo_stays_small() -> None:
    memo = FieldsMemo(read_request_fields)
    assert memo.read(_HOST) is memo.read(_HOST)
    first = memo.read(_HOST)
    for number in range(600):
        memo.read(b"x: %d\r\n" % number)
    assert memo.read(_HOST) is not first
    long = b"x: " + b"y" * 5000 + b"\r\n"
    assert memo.read(long) is not memo.read(long)
