"""The server of the proxy's own pages, asked as clients ask that are slow, hurried or hostile."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import pytest

from meshsim.kit.address import Address
from meshsim.kit.errors import StartError
from meshsim.kit.tasks import TaskOwner
from meshsim.proxy.own_pages.pages import Ask, Page, Site, serve_site
from tests.kits.dataplane import Client
from tests.kits.eventually import eventually

pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_factories=["uvloop"])]


class Pages:
    """Some pages: one at once, one that waits to be let go, one that fails."""

    def __init__(self) -> None:
        self.release = asyncio.Event()
        self.given_up = 0
        self.site: Site = {
            "/echo": {"GET": self.echo, "POST": self.echo},
            "/slow": {"GET": self.slow},
            "/broken": {"GET": self.broken},
        }

    async def echo(self, ask: Ask) -> Page:
        return Page.json(ask.parameters())

    async def slow(self, _: Ask) -> Page:
        try:
            await self.release.wait()
        except asyncio.CancelledError:
            self.given_up += 1
            raise
        return Page.text("slow")

    async def broken(self, _: Ask) -> Page:
        raise ValueError("broken")


@dataclass
class Served:
    """The pages behind a port, and how they failed."""

    pages: Pages
    port: int
    failures: list[str]
    stack: AsyncExitStack

    async def client(self) -> Client:
        """A connection; it is closed at the end of the test."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        self.stack.callback(writer.close)
        return Client(reader, writer)


@asynccontextmanager
async def _serving() -> AsyncIterator[Served]:
    failures: list[str] = []
    async with AsyncExitStack() as stack:
        tasks = await stack.enter_async_context(TaskOwner(lambda _, error: failures.append(str(error))))
        pages = Pages()
        address = await serve_site(stack, tasks, pages.site, Address("127.0.0.1", 0), "pages")
        yield Served(pages, int(address.rpartition(":")[2]), failures, stack)


async def test_pages_are_found_by_path_and_method() -> None:
    async with _serving() as served:
        client = await served.client()
        found = await client.ask("/echo?a=1&b=%20+&a=2&c")
        assert (found.status, found.body) == (200, b'{"a": "1", "b": "  ", "c": ""}')
        assert found.headers["content-type"] == "application/json; charset=utf-8"
        form = "content-type: application/x-www-form-urlencoded"
        assert (await client.ask("/echo?a=1", form, method="POST", body=b"a=2")).body == b'{"a": "2"}'
        assert (await client.ask("/echo?a=1", method="POST", body=b"a=2")).body == b'{"a": "1"}'
        head = await client.ask("/echo", method="HEAD")
        assert (head.status, head.headers["content-length"]) == (200, "2")
        assert (await client.ask("/nosuch")).status == 404
        refused = await client.ask("/echo", method="DELETE")
        assert (refused.status, refused.headers["allow"]) == (405, "GET,HEAD,POST")


async def test_requests_that_come_ahead_are_answered_in_their_order() -> None:
    async with _serving() as served:
        client = await served.client()
        for path in (b"slow", b"echo", b"nosuch"):
            client.writer.write(b"GET /%b HTTP/1.1\r\nhost: a\r\n\r\n" % path)
        client.writer.write(b"GARBAGE\r\n\r\n")
        served.pages.release.set()
        assert [(await client.reply()).status for _ in range(4)] == [200, 200, 404, 400]
        assert await client.is_closed()


async def test_who_leaves_is_not_worked_for_any_more() -> None:
    async with _serving() as served:
        client = await served.client()
        client.writer.write(b"GET /slow HTTP/1.1\r\nhost: a\r\n\r\n")
        await client.writer.drain()
        client.writer.close()
        await eventually(lambda: served.pages.given_up == 1)


async def test_a_page_that_fails_is_told_of_and_cuts_its_connection() -> None:
    async with _serving() as served:
        client = await served.client()
        client.writer.write(b"GET /broken HTTP/1.1\r\nhost: a\r\n\r\n")
        assert await client.is_closed()
        assert served.failures == ["broken"]
        assert (await (await served.client()).ask("/echo")).status == 200


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"GET /echo HTTP/1.1\r\n\r\n", 400),
        (b"GET /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n", 400),
        (b"POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 99999999\r\n\r\n", 413),
        (b"GET /echo HTTP/1.1\r\nhost: a\r\nx: " + b"y" * 70_000, 431),
        (b"GET /echo HTTP/1.0\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\n", 400),
    ],
)
async def test_what_is_no_request_is_refused_and_the_connection_closed(raw: bytes, status: int) -> None:
    async with _serving() as served:
        client = await served.client()
        client.writer.write(raw)
        assert (await client.reply()).status == status
        assert await client.is_closed()


async def test_a_client_that_waits_with_its_body_is_told_to_go_on() -> None:
    async with _serving() as served:
        client = await served.client()
        lines = ("expect: 100-continue", "content-type: application/x-www-form-urlencoded", "content-length: 3")
        head = "\r\n".join(("POST /echo HTTP/1.1", "host: a", *lines, "", ""))
        client.writer.write(head.encode())
        assert (await client.reply()).status == 100
        client.writer.write(b"a=b")
        assert (await client.reply()).body == b'{"a": "b"}'


async def test_a_busy_port_is_one_sentence() -> None:
    async with _serving() as served, AsyncExitStack() as stack, TaskOwner() as tasks:
        with pytest.raises(
            StartError, match=rf"cannot listen on 127.0.0.1:{served.port} \(pages\): Address already in use"
        ):
            await serve_site(stack, tasks, {}, Address("127.0.0.1", served.port), "pages")
