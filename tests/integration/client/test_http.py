"""The client against servers that misbehave: whatever they answer, it is one of the client's own errors."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from meshsim.api.kinds import NAMESPACE, POD, ROLLOUT
from meshsim.api.meta import Key
from meshsim.client.api import ApiError, ConflictError, NotFoundError, UnreachableError
from meshsim.client.http import HttpApi

pytestmark = pytest.mark.asyncio

KEY = Key("default", "a")
OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


def reply(status: str, body: bytes) -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


class Server:
    """Answers every request with the same bytes, then closes the connection."""

    def __init__(self, answer: bytes) -> None:
        self.answer = answer
        self.asked: list[str] = []
        """The first line of each request."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        self.asked.append(head.partition(b"\r\n")[0].decode())
        writer.write(self.answer)
        await writer.drain()
        writer.close()


@asynccontextmanager
async def client_of(server: Server) -> AsyncIterator[HttpApi]:
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    async with listening, HttpApi(f"http://127.0.0.1:{port}/") as api:
        yield api


async def test_an_api_that_is_not_there_is_unreachable_whatever_it_is_asked() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))  # nobody listens
        async with HttpApi(f"http://127.0.0.1:{held.getsockname()[1]}") as api:
            asks: list[Callable[[], Awaitable[object]]] = [
                lambda: api.get(POD, KEY),
                lambda: api.list(POD),
                lambda: anext(api.watch(POD, "1")),
                lambda: api.create(POD, {"metadata": {"name": "a"}}),
                lambda: api.replace(POD, {"metadata": {"name": "a"}}),
                lambda: api.patch(POD, KEY, {}),
                lambda: api.delete(POD, KEY),
            ]
            for ask in asks:
                with pytest.raises(
                    UnreachableError,
                    match=r"^the API at http://127\.0\.0\.1:\d+ cannot be reached: Connection refused$",
                ):
                    await ask()


@pytest.mark.parametrize(
    ("answer", "error", "message"),
    [
        (reply("404 Not Found", b'{"reason":"NotFound","message":"pods \\"a\\" not found"}'), NotFoundError,
         'pods "a" not found'),
        (reply("409 Conflict", b'{"reason":"Conflict","message":"modified"}'), ConflictError, "modified"),
        (reply("403 Forbidden", b"<html>"), ApiError, "the API answered 403"),
        (reply("418 Teapot", b'["not a status"]'), ApiError, "the API answered 418"),
        (reply("503 Unavailable", b""), UnreachableError, "the API answered 503"),
        (reply("200 OK", b"<html>"), UnreachableError, "invalid JSON"),
        (reply("200 OK", b"[1]"), UnreachableError, "an object was expected"),
        (OK + b"Content-Length: 10\r\n\r\n{", UnreachableError, "cannot be reached"),
        (b"", UnreachableError, "cannot be reached"),
        (b"SSH-2.0-x\r\n", UnreachableError, "cannot be reached"),
    ],
)  # fmt: skip
async def test_a_refusal_is_an_error_of_its_kind(answer: bytes, error: type[ApiError], message: str) -> None:
    async with client_of(Server(answer)) as api:
        with pytest.raises(error, match=message):
            await api.get(POD, KEY)


@pytest.mark.parametrize(
    "words",
    [
        b"garbage\n",
        b'{"object": {}}\n',
        b'{"type": "ERROR", "object": {"code": 500, "message": "cannot be reached"}}\n',
        b'{"type": "ADDED", "object": {"metadata"',
        b"[]\n",
    ],
)
async def test_a_watch_that_says_nonsense_breaks_off_as_unreachable(words: bytes) -> None:
    async with client_of(Server(OK + b"Content-Length: 1000\r\n\r\n" + words)) as api:
        with pytest.raises(UnreachableError, match="cannot be reached"):
            await anext(api.watch(POD, "1"))


async def test_a_watch_that_the_api_ends_in_good_order_ends() -> None:
    line = b'{"type":"ADDED","object":{"metadata":{"name":"a"}}}\n'
    async with client_of(Server(reply("200 OK", line))) as api:
        assert [event.type async for event in api.watch(POD, "1")] == ["ADDED"]


@pytest.mark.parametrize(
    ("ask", "line"),
    [
        (lambda api: api.get(ROLLOUT, KEY), "GET /apis/argoproj.io/v1alpha1/namespaces/default/rollouts/a"),
        (lambda api: api.get(NAMESPACE, Key("", "a")), "GET /api/v1/namespaces/a"),
        (lambda api: api.patch(ROLLOUT, KEY, {}, subresource="status"),
         "PATCH /apis/argoproj.io/v1alpha1/namespaces/default/rollouts/a/status"),
        (lambda api: api.get(POD, Key("a/b", "../../c?d#e%f")),
         "GET /api/v1/namespaces/a%2Fb/pods/..%2F..%2Fc%3Fd%23e%25f"),
        (lambda api: api.get(POD, Key("..", ".")), "GET /api/v1/namespaces/%2E%2E/pods/%2E"),
    ],
)  # fmt: skip
async def test_a_name_is_always_one_segment_of_the_path(ask: Callable[[HttpApi], Awaitable[object]], line: str) -> None:
    server = Server(reply("200 OK", b"{}"))
    async with client_of(server) as api:
        await ask(api)
    assert server.asked == [f"{line} HTTP/1.1"]


async def test_a_list_gives_its_items_the_kind_that_lists_leave_out() -> None:
    body = b'{"metadata":{"resourceVersion":"7"},"items":[{"metadata":{"name":"a"}}]}'
    async with client_of(Server(reply("200 OK", body))) as api:
        listing = await api.list(ROLLOUT, "default", selector="app=a,tier in (x,y)")
    assert listing.resource_version == "7"
    assert listing.items == [
        {"metadata": {"name": "a"}, "apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout"},
    ]
