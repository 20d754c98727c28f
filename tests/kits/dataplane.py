"""The data plane in one process: a proxy over real sockets, upstreams that do as they are told, raw clients."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Self

from meshsim.kit.tasks import TaskOwner
from meshsim.mesh.compile import ProxySpec, compile_snapshot
from meshsim.mesh.identity import ListenerSpec, Role
from meshsim.proxy.downstream import Downstream
from meshsim.proxy.engine import Engine
from meshsim.proxy.settings import Settings
from tests.kits.mesh import objects

_WITHIN_S = 5.0


@dataclass(frozen=True, slots=True)
class Received:
    """A request as an upstream got it."""

    head: str
    body: bytes
    connection: int

    @property
    def headers(self) -> dict[str, str]:
        """Its headers; several lines are joined."""
        return _headers(self.head)


Answer = bytes | None
Behaviour = Callable[[Received], Answer | Awaitable[Answer]]
"""What an upstream answers; None aborts the connection, b"" answers nothing and waits."""


def ok(body: bytes = b"ok", *lines: bytes, status: bytes = b"200 OK") -> bytes:
    """A response of known length."""
    return b"\r\n".join((b"HTTP/1.1 " + status, b"content-length: %d" % len(body), *lines, b"", body))


@dataclass
class Upstream:
    """A server on a port of its own."""

    behaviour: Behaviour = field(default=lambda _: ok())
    received: list[Received] = field(default_factory=list)
    connections: int = 0
    open: int = 0
    port: int = 0
    _server: asyncio.Server | None = None
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Close the port and every connection."""
        if self._server is not None:
            self._server.close()
        self.close_connections()

    def close_connections(self) -> None:
        """Close every connection, as a server does that was idle for too long."""
        for writer in list(self._writers):
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open += 1
        number = self.connections
        self._writers.add(writer)
        try:
            while await self._one(number, reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self.open -= 1
            self._writers.discard(writer)
            writer.transport.abort()

    async def _one(self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        headers = _headers(head)
        if headers.get("transfer-encoding") == "chunked":
            body = await _chunks(reader)
        else:
            body = await reader.readexactly(int(headers.get("content-length") or 0))
        received = Received(head, body, number)
        self.received.append(received)
        answer = self.behaviour(received)
        if not isinstance(answer, bytes | None):
            answer = await answer
        if answer is None:
            return False
        writer.write(answer)
        await writer.drain()
        return True


@dataclass(frozen=True, slots=True)
class Reply:
    """A response as a client got it."""

    status: int
    headers: dict[str, str]
    body: bytes


class Client:
    """One keep-alive connection to the proxy."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def ask(self, target: str = "/", *lines: str, method: str = "GET", body: bytes = b"") -> Reply:
        """Send a request for `app.test` and read the response."""
        length = [f"content-length: {len(body)}"] if body else []
        head = "\r\n".join((f"{method} {target} HTTP/1.1", "host: app.test", *lines, *length, "", ""))
        self.writer.write(head.encode("latin-1") + body)
        return await self.reply(method)

    async def reply(self, method: str = "GET") -> Reply:
        """The next response. Raises IncompleteReadError when the connection is cut before its end."""
        async with asyncio.timeout(_WITHIN_S):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            status, headers = int(head.split(" ")[1]), _headers(head)
            if method == "HEAD" or status in (204, 304) or status < 200:
                return Reply(status, headers, b"")
            if headers.get("transfer-encoding") == "chunked":
                return Reply(status, headers, await _chunks(self.reader))
            return Reply(status, headers, await self.reader.readexactly(int(headers["content-length"])))

    async def is_closed(self) -> bool:
        """The proxy closes the connection and sends nothing more."""
        async with asyncio.timeout(_WITHIN_S):
            try:
                return await self.reader.read() == b""
            except ConnectionResetError:
                return True


class Proxy:
    """A proxy on a port of its own."""

    def __init__(self, engine: Engine, spec: ProxySpec, server: asyncio.Server) -> None:
        self.engine = engine
        self.server = server
        self._spec = spec
        self._clients: list[Client] = []

    def publish(self, *texts: str) -> None:
        """Put a configuration in force."""
        self.engine.publish(compile_snapshot(objects(*texts), self._spec))

    async def client(self) -> Client:
        """A new connection; it is closed with the proxy."""
        host, port = self.server.sockets[0].getsockname()
        client = Client(*await asyncio.open_connection(host, port))
        self._clients.append(client)
        return client

    async def ask(self, target: str = "/", *lines: str, method: str = "GET", body: bytes = b"") -> Reply:
        """One request on a connection of its own."""
        return await (await self.client()).ask(target, *lines, method=method, body=body)

    def close(self) -> None:
        """End everything."""
        self.server.close()
        for client in self._clients:
            client.writer.transport.abort()
        self.engine.close()


@asynccontextmanager
async def proxying(
    *texts: str, settings: Settings | None = None, seed: int | None = 1, role: Role = Role.SIDECAR
) -> AsyncIterator[Proxy]:
    """A proxy with this configuration; it listens as number 80."""
    spec = ProxySpec(listeners=(ListenerSpec(80, role),))
    async with AsyncExitStack() as stack:
        tasks = await stack.enter_async_context(TaskOwner())
        engine = Engine(settings or Settings(), tasks, seed=seed)
        engine.publish(compile_snapshot(objects(*texts), spec))
        server = await engine.loop.create_server(lambda: Downstream(engine, 0), "127.0.0.1", 0)
        proxy = Proxy(engine, spec, server)
        stack.callback(proxy.close)
        yield proxy


def app(*upstreams: Upstream | int, name: str = "app.test", version: str = "") -> str:
    """A service whose endpoints are these upstreams, or ports where nobody listens."""
    ports = [upstream if isinstance(upstream, int) else upstream.port for upstream in upstreams]
    labels = f"labels: {{app: app, version: {version}}}, " if version else ""
    endpoints = ", ".join(f"{{{labels}address: 127.0.0.1, ports: {{http: {port}}}}}" for port in ports)
    return (
        f"apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {{name: {name}}}\n"
        f"spec:\n  hosts: [{name}]\n  resolution: STATIC\n  ports: [{{number: 80, name: http, protocol: HTTP}}]\n"
        f"  endpoints: [{endpoints}]\n"
    )


def vs(http: str) -> str:
    """A VirtualService of the host `app.test`, its rules written as lines of `http`, indented by two."""
    return (
        "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: app}\n"
        f"spec:\n  hosts: [app.test]\n  http:\n{http}"
    )


def _headers(head: str) -> dict[str, str]:
    headers: dict[str, str] = {}
    for line in head.split("\r\n")[1:]:
        name, colon, value = line.partition(":")
        if colon:
            key = name.lower()
            headers[key] = f"{headers[key]}, {value.strip()}" if key in headers else value.strip()
    return headers


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    body = b""
    while size := int(await reader.readuntil(b"\r\n"), 16):
        body += (await reader.readexactly(size + 2))[:-2]
    await reader.readexactly(2)
    return body
