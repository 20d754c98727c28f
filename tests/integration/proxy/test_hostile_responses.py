"""Responses that two readers could read differently: a client gets one it can trust, a 502, or sees it cut.

Each is the answer to the first of two requests on one connection. Nothing of it may be taken for the answer to the
second, which an upstream answers as it should.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import h11
import pytest

from tests.kits.ambiguous import BODIES, CODINGS, FIELDS, LENGTHS, UNKNOWN_CODINGS
from tests.kits.dataplane import app, proxying
from tests.kits.eventually import eventually

pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_factories=["uvloop"])]

_OK: Final = b"HTTP/1.1 200 OK\r\n"
_HIDDEN: Final = b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nhidden"
_SECOND: Final = b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nsecond"


@asynccontextmanager
async def _answering(answer: bytes, *, closes: bool) -> AsyncIterator[int]:
    """An upstream that gives this answer to everything but `/second`; yields its port."""
    writers: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                is_second = b" /second " in head
                writer.write(_SECOND if is_second else answer)
                await writer.drain()
                if closes and not is_second:
                    writer.close()
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for writer in writers:
            writer.transport.abort()


class _Told:
    """What a client was told on one connection, as another implementation of HTTP reads it."""

    def __init__(self) -> None:
        self.raw = b""
        self.statuses: list[int] = []
        self.bodies: list[bytes] = []
        self.is_cut = False
        """The connection ended in the middle of a response."""

    async def ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, method: str) -> None:
        """Both requests, the second when the first is answered and the connection still open."""
        reading = h11.Connection(h11.CLIENT)
        for target in ("/", "/second"):
            asked = h11.Request(
                method=method if target == "/" else "GET", target=target, headers=[("host", "app.test")]
            )
            writer.write((reading.send(asked) or b"") + (reading.send(h11.EndOfMessage()) or b""))
            if not await self._response(reading, reader):
                return
            reading.start_next_cycle()

    async def _response(self, reading: h11.Connection, reader: asyncio.StreamReader) -> bool:
        body = b""
        while True:
            try:
                event = reading.next_event()
                if event is h11.NEED_DATA:
                    data = await self._more(reader)
                    self.raw += data
                    reading.receive_data(data)
                    continue
            except h11.RemoteProtocolError:
                self.is_cut = True
                return False
            if isinstance(event, h11.Response | h11.InformationalResponse):
                self.statuses.append(event.status_code)
            elif isinstance(event, h11.Data):
                body += event.data
            elif isinstance(event, h11.EndOfMessage):
                self.bodies.append(body)
                return reading.our_state is h11.DONE and reading.their_state is h11.DONE
            else:
                self.is_cut = isinstance(event, h11.ConnectionClosed)
                return False

    @staticmethod
    async def _more(reader: asyncio.StreamReader) -> bytes:
        async with asyncio.timeout(3):
            try:
                return await reader.read(65536)
            except ConnectionResetError:
                return b""


async def _told(answer: bytes, *, method: str = "GET", closes: bool = False) -> _Told:
    told = _Told()
    async with _answering(answer, closes=closes) as port, proxying(app(port)) as proxy:
        client = await proxy.client()
        await told.ask(client.reader, client.writer, method)
        assert not any(host.active for cluster in proxy.engine.clusters.values() for host in cluster)
    assert b"hidden" not in told.raw
    return told


def _lines(*lines: bytes, body: bytes = b"") -> bytes:
    return _OK + b"".join(line + b"\r\n" for line in lines) + b"\r\n" + body


_HEADS: Final = {
    "no status line": b"hello\r\n\r\n",
    "a request": b"GET / HTTP/1.1\r\n\r\n",
    "another protocol": b"ICY 200 OK\r\ncontent-length: 0\r\n\r\n",
    "a lower-case version": b"http/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
    "a version without a minor": b"HTTP/1 200 OK\r\ncontent-length: 0\r\n\r\n",
    "version 1.2": b"HTTP/1.2 200 OK\r\ncontent-length: 0\r\n\r\n",
    "version 2": b"HTTP/2 200 OK\r\ncontent-length: 0\r\n\r\n",
    "two blanks": b"HTTP/1.1  200 OK\r\ncontent-length: 0\r\n\r\n",
    "a tab": b"HTTP/1.1\t200 OK\r\ncontent-length: 0\r\n\r\n",
    "no blank": b"HTTP/1.1200 OK\r\ncontent-length: 0\r\n\r\n",
    "no status": b"HTTP/1.1 OK\r\ncontent-length: 0\r\n\r\n",
    "two digits": b"HTTP/1.1 20 OK\r\ncontent-length: 0\r\n\r\n",
    "four digits": b"HTTP/1.1 2000 OK\r\ncontent-length: 0\r\n\r\n",
    "a status below 100": b"HTTP/1.1 099 OK\r\ncontent-length: 0\r\n\r\n",
    "a status with a sign": b"HTTP/1.1 +20 OK\r\ncontent-length: 0\r\n\r\n",
    "a status with a tail": b"HTTP/1.1 200x\r\ncontent-length: 0\r\n\r\n",
    "a reason behind a tab": b"HTTP/1.1 200\tOK\r\ncontent-length: 0\r\n\r\n",
    "NUL in the reason": b"HTTP/1.1 200 O\x00K\r\ncontent-length: 0\r\n\r\n",
    "CR in the reason": b"HTTP/1.1 200 O\rK\r\ncontent-length: 0\r\n\r\n",
    "LF behind the line": b"HTTP/1.1 200 OK\ncontent-length: 0\r\n\r\n",
    "LF at the end": b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\n",
    "LF before the line": b"\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
    "a blank first": b" HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
    "a blank before the first field": b"HTTP/1.1 200 OK\r\n content-length: 0\r\n\r\n",
    "204 with a length": b"HTTP/1.1 204 No Content\r\ncontent-length: 6\r\n\r\nhidden",
    "204 with chunks": b"HTTP/1.1 204 No Content\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "101 that nobody asked for": b"HTTP/1.1 101 X\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\nhidden",
    "100 with a body": b"HTTP/1.1 100 Continue\r\ncontent-length: 6\r\n\r\nhidden",
    "103 with chunks": b"HTTP/1.1 103 X\r\ntransfer-encoding: chunked\r\n\r\n6\r\nhidden\r\n0\r\n\r\n",
    "chunks in HTTP/1.0": b"HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "a line of a megabyte": b"HTTP/1.1 200 " + b"a" * 2**20,
    "a value of a megabyte": _OK + b"x: " + b"a" * 2**20,
    "101 fields": _lines(*[b"x: a"] * 101, b"content-length: 0"),
    "a thousand fields": _lines(*[b"x: a"] * 1000, b"content-length: 0"),
}

_REFUSED: Final = {
    **_HEADS,
    **{f"field: {name}": _lines(line, b"content-length: 0") for name, line in FIELDS.items()},
    **{f"length: {name}": _lines(*lines, body=b"0\r\n\r\n") for name, lines in LENGTHS.items()},
    **{f"coding: {name}": _lines(*lines, body=b"0\r\n\r\n") for name, lines in CODINGS.items()},
    **{
        f"coding: {coding.decode()}": _lines(b"transfer-encoding: " + coding, body=b"0\r\n\r\n")
        for coding in UNKNOWN_CODINGS
    },
}


@pytest.mark.parametrize(
    ("name", "closes"),
    [(name, closes) for name in _REFUSED for closes in (False, True) if name in _HEADS or not closes],
)
async def test_a_head_that_can_be_read_in_two_ways_is_a_502_and_costs_its_connection(name: str, closes: bool) -> None:
    told = await _told(_REFUSED[name], closes=closes)
    assert told.statuses == [502, 200]
    assert told.bodies[1] == b"second"
    assert b"protocol error" in told.bodies[0]


@pytest.mark.parametrize("name", BODIES)
async def test_a_body_that_can_be_read_in_two_ways_is_seen_cut(name: str) -> None:
    body = BODIES[name].replace(b"GET /hidden HTTP/1.1\r\nHost: app.test\r\n\r\n", _HIDDEN)
    told = await _told(_lines(b"transfer-encoding: chunked", body=body + b"\r\n\r\n"))
    # No status line within it, and no end that would make it whole.
    assert (told.statuses, told.is_cut) == ([200], True)
    assert not told.bodies


_CUT: Final = {
    "before its length": (_lines(b"content-length: 10", body=b"abc"), "GET"),
    "before any of it": (_lines(b"content-length: 10"), "GET"),
    "between chunks": (_lines(b"transfer-encoding: chunked", body=b"3\r\nabc\r\n"), "GET"),
    "in a chunk": (_lines(b"transfer-encoding: chunked", body=b"9\r\nabc"), "GET"),
    "behind a size": (_lines(b"transfer-encoding: chunked", body=b"3\r\nabc\r\n0"), "GET"),
    "before the last line": (_lines(b"transfer-encoding: chunked", body=b"3\r\nabc\r\n0\r\n"), "GET"),
    "in a trailer": (_lines(b"transfer-encoding: chunked", body=b"3\r\nabc\r\n0\r\nX: a"), "GET"),
}


@pytest.mark.parametrize("name", _CUT)
async def test_a_body_that_ends_too_early_is_seen_cut(name: str) -> None:
    raw, method = _CUT[name]
    told = await _told(raw, method=method, closes=True)
    assert (told.statuses, told.is_cut) == ([200], True)
    assert not told.bodies


_PASSED: Final = {
    "more than its length": (_lines(b"content-length: 3", body=b"abc" + _HIDDEN), "GET", b"abc"),
    "more than nothing": (_lines(b"content-length: 0", body=_HIDDEN), "GET", b""),
    "more than its chunks": (_lines(b"transfer-encoding: chunked", body=b"0\r\n\r\n" + _HIDDEN), "GET", b""),
    "a body of HEAD": (_lines(b"content-length: %d" % len(_HIDDEN), body=_HIDDEN), "HEAD", b""),
    "chunks of HEAD": (_lines(b"transfer-encoding: chunked", body=b"6\r\nhidden\r\n0\r\n\r\n"), "HEAD", b""),
    "204 and more": (b"HTTP/1.1 204 X\r\n\r\n" + _HIDDEN, "GET", b""),
    "204 of nothing": (b"HTTP/1.1 204 X\r\ncontent-length: 0\r\n\r\n", "GET", b""),
    "304 and its length": (b"HTTP/1.1 304 X\r\ncontent-length: %d\r\n\r\n" % len(_HIDDEN) + _HIDDEN, "GET", b""),
    "a length with zeros": (_lines(b"content-length: 003", body=b"abc"), "GET", b"abc"),
    "no reason": (b"HTTP/1.1 200\r\ncontent-length: 3\r\n\r\nabc", "GET", b"abc"),
    "an empty reason": (b"HTTP/1.1 200 \r\ncontent-length: 3\r\n\r\nabc", "GET", b"abc"),
    "eight bits": (b"HTTP/1.1 200 \xc3\xa9\r\nx: \xff\r\ncontent-length: 3\r\n\r\nabc", "GET", b"abc"),
    "extensions and trailers": (
        _lines(
            b"transfer-encoding: chunked", body=b'3;a="b";c\r\nabc\r\n0\r\ncontent-length: 9\r\nset-cookie: a\r\n\r\n'
        ),
        "GET",
        b"abc",
    ),
    "a length that Connection names": (
        _lines(b"connection: content-length", b"content-length: 3", body=b"abc"),
        "GET",
        b"abc",
    ),
    "a coding that Connection names": (
        _lines(b"connection: transfer-encoding", b"transfer-encoding: chunked", body=b"3\r\nabc\r\n0\r\n\r\n"),
        "GET",
        b"abc",
    ),
    "an offer to switch": (
        _lines(b"connection: upgrade", b"upgrade: h2c", b"content-length: 3", body=b"abc"),
        "GET",
        b"abc",
    ),
}


@pytest.mark.parametrize("name", _PASSED)
async def test_a_response_that_can_be_read_in_one_way_only_is_passed_on_clean_and_alone(name: str) -> None:
    raw, method, body = _PASSED[name]
    told = await _told(raw, method=method)
    assert told.statuses == [int(raw[9:12]), 200]
    assert told.bodies == [body, b"second"]
    head = told.raw.partition(b"\r\n\r\n")[0].lower()
    assert head.count(b"content-length:") + head.count(b"transfer-encoding:") <= 1
    assert not any(name in head for name in (b"\r\nconnection:", b"\r\nupgrade:", b"\r\ntrailer:", b"\r\nset-cookie:"))


@pytest.mark.parametrize("closes", [False, True], ids=["stays", "closes"])
async def test_what_comes_before_a_response_is_passed_on_a_few_times_and_not_for_ever(closes: bool) -> None:
    few = await _told(
        b"HTTP/1.1 103 Early Hints\r\n\r\n" * 5 + _lines(b"content-length: 3", body=b"abc"), closes=closes
    )
    assert few.statuses == [103] * 5 + [200, 200]
    flood = await _told(b"HTTP/1.1 100 Continue\r\n\r\n" * 20_000, closes=closes)
    assert flood.statuses[-2:] == [502, 200]
    assert len(flood.statuses) < 100


async def test_a_response_that_nobody_asked_for_is_never_an_answer() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nfirst" if b" / " in head else _SECOND)
        sent.append(writer)

    sent: list[asyncio.StreamWriter] = []
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server, proxying(app(server.sockets[0].getsockname()[1])) as proxy:
        client = await proxy.client()
        assert (await client.ask()).body == b"first"
        sent[0].write(_HIDDEN)
        await sent[0].drain()
        (cluster,) = proxy.engine.clusters.values()
        await eventually(lambda: cluster.connections == 0)
        assert (await client.ask("/second")).body == b"second"
        for writer in sent:
            writer.transport.abort()
