"""Requests that two readers could read differently: none is passed on, and what is passed on is beyond doubt.

The sender of each writes a second request right behind it. A refused one must not bring that to anybody's attention;
one that is passed on must reach the upstream alone, with the second after it.
"""

import asyncio
import time
from typing import Final

import pytest

from meshsim.proxy.settings import Settings
from tests.kits.ambiguous import PASSED, REFUSED, chunks, get, post
from tests.kits.dataplane import Proxy, app, proxying
from tests.kits.wiretap import Wiretap

pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_factories=["uvloop"])]

_WITHIN_S: Final = 1.8
_SECOND: Final = b"GET /second HTTP/1.1\r\nHost: app.test\r\n\r\n"


async def _told(proxy: Proxy, raw: bytes) -> tuple[bytes, float]:
    """What a client is told before its connection ends, and how many seconds that takes."""
    client = await proxy.client()
    began = time.monotonic()
    client.writer.write(raw)
    async with asyncio.timeout(3):
        try:
            told = await client.reader.read(-1)
        except ConnectionResetError:
            told = b""
    return told, time.monotonic() - began


@pytest.mark.parametrize("name", REFUSED)
async def test_what_can_be_read_in_two_ways_is_refused_and_its_connection_closed(name: str) -> None:
    raw, statuses = REFUSED[name]
    async with Wiretap() as upstream, proxying(app(upstream.port)) as proxy:
        told, took_s = await _told(proxy, raw + _SECOND)
        assert told.count(b"HTTP/1.") == 1
        assert int(told[9:12]) in statuses
        assert b"\r\nconnection: close\r\n" in told
        assert took_s < _WITHIN_S
        # The head of a request whose body is wrong has gone up, but never an end of it or anything after it.
        assert upstream.requests in ([], [b"/"])
        assert not upstream.bodies
        assert not upstream.unclean()


@pytest.mark.parametrize("name", PASSED)
async def test_what_can_be_read_in_one_way_only_is_passed_on_clean_and_alone(name: str) -> None:
    raw, target, body = PASSED[name]
    async with Wiretap() as upstream, proxying(app(upstream.port)) as proxy:
        client = await proxy.client()
        client.writer.write(raw + _SECOND)
        assert [(await client.reply()).status for _ in range(2)] == [200, 200]
        assert upstream.requests == [target, b"/second"]
        assert upstream.bodies == [body, b""]
        assert not upstream.unclean()
        # Headers of the connection end with it, and so does what it names.
        assert not any(
            word in upstream.received.lower() for word in (b"connection:", b"http2-settings", b"\r\nupgrade:")
        )


@pytest.mark.parametrize("cut", ["head", "body", "chunks"])
async def test_a_request_that_doesnt_end_is_cut_in_time_and_never_completed(cut: str) -> None:
    raw = {
        "head": get()[:-2],
        "body": post(b"Content-Length: 10", body=b"abc"),
        "chunks": chunks(b"3\r\nabc\r\n"),
    }[cut]
    settings = Settings(header_timeout_s=0.2, body_timeout_s=0.2)
    async with Wiretap() as upstream, proxying(app(upstream.port), settings=settings) as proxy:
        told, took_s = await _told(proxy, raw)
        assert told.startswith(b"HTTP/1.1 408 ")
        assert took_s < _WITHIN_S
        assert not upstream.bodies
        assert not upstream.unclean()


async def test_a_request_is_read_alike_wherever_it_is_cut() -> None:
    raw = post(b"Transfer-Encoding: chunked", b"X: a", body=b"3;a=b\r\nabc\r\n0\r\nX: y\r\n\r\n") + _SECOND
    async with Wiretap() as upstream, proxying(app(upstream.port)) as proxy:
        for at in range(1, len(raw), 7):
            client = await proxy.client()
            client.writer.write(raw[:at])
            await asyncio.wait_for(client.writer.drain(), 5)
            client.writer.write(raw[at:])
            assert [(await client.reply()).status for _ in range(2)] == [200, 200]
        assert set(upstream.bodies) == {b"abc", b""}
        assert not upstream.unclean()
