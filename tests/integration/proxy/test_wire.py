"""HTTP/1.x on both sides of the proxy: versions, framing and what may follow what."""

import asyncio

import pytest

from meshsim.proxy.settings import Settings
from tests.kits.dataplane import Client, Received, Upstream, app, ok, proxying
from tests.kits.eventually import eventually

pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_factories=["uvloop"])]

_HTTP10 = Settings(accepts_http10=True)


async def _line(client: Client, raw: bytes) -> tuple[str, str]:
    """The first line and the headers that answer these bytes."""
    client.writer.write(raw)
    async with asyncio.timeout(5):
        first, _, rest = (await client.reader.readuntil(b"\r\n\r\n")).decode().partition("\r\n")
    return first, rest


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 204 X\r\ncontent-length: 3\r\n\r\nabc",
        b"HTTP/1.1 204 X\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 103 X\r\ncontent-length: 3\r\n\r\nabcHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 101 X\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n",
        b"HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\ncontent-length: 2\n\nok",
        b"HTTP/1.1 200 OK\r\nx: a\r\n b\r\ncontent-length: 2\r\n\r\nok",
        b"HTTP/2.0 200 OK\r\ncontent-length: 2\r\n\r\nok",
    ],
)
async def test_a_response_whose_end_is_in_doubt_is_a_502_at_once(answer: bytes) -> None:
    async def behave(_: Received) -> bytes | None:
        return answer

    async with Upstream(behave) as upstream, proxying(app(upstream)) as proxy:
        reply = await proxy.ask()
        assert (reply.status, reply.body[-14:]) == (502, b"protocol error")


async def test_no_length_is_said_of_a_204() -> None:
    async with Upstream(lambda _: ok(b"", status=b"204 X")) as upstream, proxying(app(upstream)) as proxy:
        reply = await proxy.ask()
        assert reply.status == 204
        assert "content-length" not in reply.headers


async def test_a_response_to_head_says_how_the_body_would_come_and_is_followed_by_the_next() -> None:
    chunked = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
    async with Upstream(lambda _: chunked) as upstream, proxying(app(upstream)) as proxy:
        client = await proxy.client()
        for _ in range(2):
            reply = await client.ask(method="HEAD")
            assert (reply.status, reply.headers["transfer-encoding"]) == (200, "chunked")
        assert upstream.connections == 1


async def test_the_host_of_an_absolute_target_goes_up_instead_of_the_header() -> None:
    async with Upstream() as upstream, proxying(app(upstream)) as proxy:
        client = await proxy.client()
        first, _ = await _line(client, b"GET HTTP://app.test/x HTTP/1.1\r\nhost: other\r\n\r\n")
        assert first == "HTTP/1.1 200 OK"
        assert upstream.received[0].head.startswith("GET /x HTTP/1.1\r\nhost: app.test\r\n")
        assert upstream.received[0].head.count("host: ") == 1


async def test_blank_lines_before_a_request_are_passed_over() -> None:
    async with Upstream() as upstream, proxying(app(upstream)) as proxy:
        client = await proxy.client()
        first, _ = await _line(client, b"\r\n\r\nGET / HTTP/1.1\r\nhost: app.test\r\n\r\n")
        assert first == "HTTP/1.1 200 OK"


async def test_a_line_that_no_request_has_is_refused_before_the_head_ends() -> None:
    async with Upstream() as upstream, proxying(app(upstream)) as proxy:
        client = await proxy.client()
        first, _ = await _line(client, b"GET / HTTP/1.1\r\nhost: app.test\r\nx: bare line feed\n")
        assert first == "HTTP/1.1 400 Bad Request"
        assert not upstream.received


@pytest.mark.parametrize(("connection", "kept"), [("keep-alive", "keep-alive"), ("x", "close")])
async def test_http_1_0_is_answered_in_kind_and_kept_only_on_request(connection: str, kept: str) -> None:
    async with Upstream() as upstream, proxying(app(upstream), settings=_HTTP10) as proxy:
        client = await proxy.client()
        request = f"GET / HTTP/1.0\r\nhost: app.test\r\nconnection: {connection}\r\n\r\n".encode()
        first, rest = await _line(client, request)
        assert first == "HTTP/1.0 200 OK"
        assert f"connection: {kept}\r\n" in rest
        assert await client.reader.readexactly(2) == b"ok"
        if kept == "close":
            assert await client.is_closed()


@pytest.mark.parametrize("extra", [b"transfer-encoding: chunked\r\nhost: app.test\r\n\r\n0\r\n", b""])
async def test_http_1_0_without_a_host_or_with_chunks_is_refused(extra: bytes) -> None:
    async with Upstream() as upstream, proxying(app(upstream), settings=_HTTP10) as proxy:
        client = await proxy.client()
        first, _ = await _line(client, b"POST / HTTP/1.0\r\n" + extra + b"\r\n")
        assert first == "HTTP/1.0 400 Bad Request"
        assert not upstream.received


async def test_a_client_that_leaves_is_seen_although_it_has_sent_its_next_request() -> None:
    async with Upstream(lambda _: b"") as upstream, proxying(app(upstream)) as proxy:
        client = await proxy.client()
        client.writer.write(b"GET / HTTP/1.1\r\nhost: app.test\r\n\r\n" * 3)
        await eventually(lambda: upstream.received)
        client.writer.close()
        await eventually(lambda: upstream.open == 0)
        assert len(upstream.received) == 1
