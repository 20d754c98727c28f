"""The proxy's own pages, served by the codec that reads its traffic."""

import asyncio
import contextlib
import json
import re
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final
from urllib.parse import parse_qsl

from meshsim.http1.errors import MessageError
from meshsim.http1.fields import RequestFields
from meshsim.http1.grammar import MAX_HEAD_BYTES
from meshsim.http1.memo import request_heads
from meshsim.http1.requests import RequestReader, WholeRequest
from meshsim.kit.address import Address, cannot_listen
from meshsim.kit.tasks import TaskOwner
from meshsim.proxy.heads import reason_of, status_line, written
from meshsim.proxy.timeouts import TimeoutQueue

TEXT: Final = "text/plain; charset=utf-8"
JSON: Final = "application/json; charset=utf-8"
_FORM: Final = b"application/x-www-form-urlencoded"
_MAX_BODY_BYTES: Final = 1024 * 1024
_IDLE_S: Final = 75.0
_LINGER_S: Final = 1.0
_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Page:
    """What is answered; `kind` is its media type."""

    body: bytes
    status: int = 200
    kind: str = TEXT
    lines: tuple[tuple[bytes, bytes], ...] = ()

    @classmethod
    def text(cls, text: str, status: int = 200) -> "Page":
        """Plain text."""
        return cls(text.encode(), status)

    @classmethod
    def json(cls, value: Any) -> "Page":
        """A value, as JSON."""
        return cls(json.dumps(value).encode(), kind=JSON)


@dataclass(frozen=True, slots=True)
class Ask:
    """What was asked. `target` is the path with its query as they came."""

    target: str
    query: Mapping[str, str]
    fields: RequestFields
    body: bytes

    def path(self) -> str:
        """The target without its query, as it came."""
        return self.target.partition("?")[0]

    def parameters(self) -> dict[str, str]:
        """Those of the query and, over them, those of a form."""
        return {**self.query, **_pairs(self._form())}

    def values(self, name: str) -> list[str]:
        """Every value of a parameter, those of the query before those of a form."""
        texts = (self.target.partition("?")[2], self._form())
        return [value for text in texts for key, value in parse_qsl(text, keep_blank_values=True) if key == name]

    def _form(self) -> str:
        is_form = self.fields.first(b"content-type").partition(b";")[0].strip().lower() == _FORM
        return self.body.decode(errors="replace") if is_form else ""


Handler = Callable[[Ask], Awaitable[Page]]
Site = Mapping[str, Mapping[str, Handler]]
"""What answers, by path and method. HEAD is answered as GET is. `*` in a path stands for one segment of it."""


async def serve_site(
    stack: contextlib.AsyncExitStack, tasks: TaskOwner, site: Site, address: Address, name: str
) -> str:
    """Serve until the stack closes; returns `host:port`. Raises StartError for a busy port, with the site's name."""
    loop = asyncio.get_running_loop()
    server = _Server(site, tasks, loop)
    try:
        listening = await loop.create_server(partial(_Connection, server), address.host, address.port)
    except OSError as error:
        raise cannot_listen(address, error, f" ({name})") from None
    stack.callback(server.close)
    stack.callback(listening.close)
    ip, port = listening.sockets[0].getsockname()[:2]
    return f"{ip}:{port}"


class _Server:
    """What the connections of one site share."""

    def __init__(self, site: Site, tasks: TaskOwner, loop: asyncio.AbstractEventLoop) -> None:
        self.site = site
        self.patterns = [(_pattern(path), handlers) for path, handlers in site.items() if "*" in path]
        self.tasks = tasks
        self.now = loop.time
        self.heads = request_heads(MAX_HEAD_BYTES)
        self.connections: set[_Connection] = set()
        self.idle: TimeoutQueue[_Connection] = TimeoutQueue(loop, _IDLE_S, _Connection.close)
        self.lingering: TimeoutQueue[_Connection] = TimeoutQueue(loop, _LINGER_S, _Connection.close)

    async def page(self, request: WholeRequest) -> Page:
        """What a request is answered with."""
        target = request.target.decode("latin-1")
        path, _, query = target.partition("?")
        handlers = self.site.get(path) or next((found for form, found in self.patterns if form.fullmatch(path)), None)
        if handlers is None:
            return Page.text("404: Not Found", 404)
        method = request.method.decode()
        handler = handlers.get("GET" if method == "HEAD" else method)
        if handler is None:
            allowed = {*handlers, "HEAD"} if "GET" in handlers else handlers
            return Page(b"405: Method Not Allowed", 405, lines=((b"allow", ",".join(sorted(allowed)).encode()),))
        return await handler(Ask(target, _pairs(query), request.fields, request.body))

    def close(self) -> None:
        for connection in list(self.connections):
            connection.close()
        self.idle.close()
        self.lingering.close()


class _Connection(asyncio.Protocol):
    """A client's connection: its requests are answered one after the other."""

    def __init__(self, server: _Server) -> None:
        self._server = server
        self._reader = RequestReader(server.heads, _MAX_BODY_BYTES)
        self._waiting: deque[WholeRequest] = deque()
        self._refusal: MessageError | None = None
        self._answering: asyncio.Task[None] | None = None
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._server.connections.add(self)
        self._server.idle.start(self, self._server.now())

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        server = self._server
        server.connections.discard(self)
        server.idle.stop(self)
        server.lingering.stop(self)
        if self._answering is not None:
            self._answering.cancel()

    def close(self) -> None:
        """Close once what was written has left."""
        self._transport.close()

    def data_received(self, data: bytes) -> None:
        if self._refusal is not None:
            return
        try:
            self._waiting.extend(self._reader.feed(data))
        except MessageError as error:
            self._refusal = error
        if self._reader.awaits_continue and self._refusal is None and self._answering is None:
            self._transport.write(_CONTINUE)
        if self._answering is not None:
            # Enough is here for now.
            self._transport.pause_reading()
        elif self._waiting or self._refusal is not None:
            self._server.idle.stop(self)
            self._answering = self._server.tasks.start(self._answer(), "page")

    async def _answer(self) -> None:
        """Answer what waits; at a failure the client sees its connection cut."""
        transport, server = self._transport, self._server
        try:
            while self._waiting:
                request = self._waiting.popleft()
                page = await server.page(request)
                keeps_alive = request.keeps_alive and not transport.is_closing()
                transport.write(_response(page, keeps_alive=keeps_alive, is_whole=request.method != b"HEAD"))
                if not keeps_alive:
                    self._linger()
                    return
        except BaseException:
            transport.abort()
            raise
        finally:
            self._answering = None
        if self._refusal is not None:
            self._refuse(self._refusal)
            return
        server.idle.start(self, server.now())
        transport.resume_reading()

    def _refuse(self, error: MessageError) -> None:
        page = Page.text(reason_of(error.status).decode(), error.status)
        self._transport.write(_response(page, keeps_alive=False, is_whole=True))
        self._linger()

    def _linger(self) -> None:
        """Close, but not with a reset that would take the answer from the client: more of its bytes may come."""
        self._refusal = self._refusal or MessageError(400, "closing")
        if self._transport.can_write_eof():
            self._transport.write_eof()
        self._server.lingering.start(self, self._server.now())


def _pattern(path: str) -> re.Pattern[str]:
    return re.compile("[^/]+".join(map(re.escape, path.split("*"))))


def _response(page: Page, *, keeps_alive: bool, is_whole: bool) -> bytes:
    lines = [
        (b"content-type", page.kind.encode()),
        (b"content-length", b"%d" % len(page.body)),
        # As Envoy's admin pages have them: what they say changes, and none of it is a program for a browser.
        (b"cache-control", b"no-cache, max-age=0"),
        (b"x-content-type-options", b"nosniff"),
        *page.lines,
    ]
    if not keeps_alive:
        lines.append((b"connection", b"close"))
    return b"".join((status_line(page.status), written(lines), b"\r\n", page.body if is_whole else b""))


def _pairs(text: str) -> dict[str, str]:
    """The first value of each name, as forms are written."""
    pairs: dict[str, str] = {}
    for name, value in parse_qsl(text, keep_blank_values=True):
        pairs.setdefault(name, value)
    return pairs
