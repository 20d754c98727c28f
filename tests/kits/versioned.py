"""A tiny HTTP/1.1 server that answers as several versions do, for whoever sends load."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from meshsim.kit.clock import LoopClock
from meshsim.kit.tasks import TaskOwner


@dataclass(frozen=True, slots=True)
class Answer:
    """One response; `closes` ends the connection after it, `cut` instead of it."""

    version: str = "v1"
    status: int = 200
    after_s: float = 0.0
    closes: bool = False
    cut: bool = False


class VersionedServer:
    """Serves on a free port of 127.0.0.1 what `answer` says to the head of each request."""

    def __init__(self, answer: Callable[[str], Answer]) -> None:
        self.heads: list[str] = []
        self.connections = 0
        self.open_connections = 0
        self.most_connections = 0
        self._answer = answer
        self._clock = LoopClock()
        self._tasks = TaskOwner()
        self._server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        """Where it serves."""
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/"

    async def __aenter__(self) -> Self:
        def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self._tasks.start(self._serve(reader, writer), "connection")

        self._server = await asyncio.start_server(connected, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        await self._tasks.close()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open_connections += 1
        self.most_connections = max(self.most_connections, self.open_connections)
        try:
            await self._answer_all(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.open_connections -= 1
            writer.close()

    async def _answer_all(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            self.heads.append(head)
            answer = self._answer(head)
            if answer.after_s:
                await self._clock.sleep(answer.after_s)
            if answer.cut:
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-le")
                return
            writer.write(
                f"HTTP/1.1 {answer.status} X\r\nx-version: {answer.version}\r\n"
                f"content-length: 2\r\n{'connection: close' if answer.closes else 'x-more: yes'}\r\n\r\nok".encode()
            )
            await writer.drain()
            if answer.closes:
                return
