"""How fast the API server is: `python -m tests.bench.api`, once in memory over plain HTTP, once with TLS and journal.

Server and clients share the machine, so what is measured is the least that the server does; the processor time that
it spends on a write does not depend on what else runs.
"""

import argparse
import asyncio
import os
import ssl
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import urlsplit

import psutil
import uvloop

from meshsim.api.decode import Object, write_json
from meshsim.client.connection import Connection, tls_of
from meshsim.kit.tasks import TaskOwner
from tests.kits.apiserver import running_apiserver, secured_apiserver
from tests.kits.manifests import config_map, rollout

_WRITERS: Final = 8
_WATCHERS: Final = 100
_OBJECTS: Final = 1000
_READS: Final = 2000
_WRITES: Final = 4000
_ROLLOUTS: Final = "/apis/argoproj.io/v1alpha1/namespaces/default/rollouts"
_CONFIG_MAPS: Final = "/api/v1/namespaces/default/configmaps"


class Bar(NamedTuple):
    """A figure: its unit, what it must reach in memory and with TLS and journal, and whether more is better."""

    name: str
    unit: str
    in_memory: float | None
    secured: float | None
    more: bool


_BARS: Final = (
    Bar("ready after", "s", 1.0, 1.0, more=False),
    Bar("GET p50", "ms", 0.5, None, more=False),
    Bar("writes, 1 watching", "/s", 3000, 1200, more=True),
    Bar("processor a write", "µs", None, None, more=False),
    Bar(f"events to {_WATCHERS} watching", "/s", 50_000, 15_000, more=True),
    Bar("processor an event", "µs", None, None, more=False),
    Bar(f"RSS with {_OBJECTS} objects", "MB", 120, 120, more=False),
)
Figures = dict[str, float]


@dataclass(frozen=True, slots=True)
class Server:
    """A server under measurement."""

    process: psutil.Process
    connection: Connection

    @property
    def spent_s(self) -> float:
        """The processor time that it has taken so far."""
        times = self.process.cpu_times()
        return float(times.user + times.system)


class Client:
    """One connection that is kept, with as little work on this side as can be."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, connection: Connection) -> None:
        self._reader = reader
        self._writer = writer
        said = f"Host: {urlsplit(connection.url).netloc}\r\n"
        self._headers = said + (f"Authorization: Bearer {connection.token}\r\n" if connection.token else "")

    @classmethod
    async def connect(cls, connection: Connection, tls: ssl.SSLContext | None) -> "Client":
        """Connect as the connection says."""
        address = urlsplit(connection.url)
        return cls(*await asyncio.open_connection(address.hostname, address.port, ssl=tls, limit=1 << 20), connection)

    def send(self, method: str, path: str, body: bytes = b"", content_type: str = "application/json") -> None:
        """Send a request."""
        head = f"{method} {path} HTTP/1.1\r\n{self._headers}Content-Type: {content_type}\r\n"
        self._writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)

    async def ask(self, method: str, path: str, body: bytes = b"", content_type: str = "application/json") -> None:
        """Send a request and read its answer. Raises AssertionError when it was refused."""
        self.send(method, path, body, content_type)
        head = (await self._reader.readuntil(b"\r\n\r\n")).lower()
        length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
        answer = await self._reader.readexactly(length)
        assert head.startswith(b"http/1.1 20"), answer

    async def count(self, counted: Callable[[int], object]) -> None:
        """Tell how many events come in, for ever."""
        while data := await self._reader.read(1 << 18):
            counted(data.count(b'{"type":"'))

    def close(self) -> None:
        """Close the connection."""
        self._writer.close()


class Bench:
    """The measurements of one server."""

    def __init__(self, server: Server, tls: ssl.SSLContext | None) -> None:
        self._server = server
        self._tls = tls
        self._events = 0

    async def run(self) -> Figures:
        """All of them, one after another."""
        await self._create(_ROLLOUTS, [rollout()])
        figures = {"GET p50": await self._get_ms()}
        written_s, spent_s = await self._writes(1, _WRITES)
        figures["writes, 1 watching"] = _WRITES / written_s
        figures["processor a write"] = spent_s / _WRITES * 1e6
        writes = _WRITES // 4
        delivered_s, spent_s = await self._writes(_WATCHERS, writes)
        figures[f"events to {_WATCHERS} watching"] = writes * _WATCHERS / delivered_s
        figures["processor an event"] = spent_s / (writes * _WATCHERS) * 1e6
        body = {"k": "v" * 500}
        await self._create(_CONFIG_MAPS, [config_map(f"c{number}", data=body) for number in range(_OBJECTS)])
        figures[f"RSS with {_OBJECTS} objects"] = self._server.process.memory_info().rss / 1e6
        return figures

    async def _create(self, path: str, objects: Sequence[Object]) -> None:
        async with self._clients(1) as (client,):
            for obj in objects:
                await client.ask("POST", path, write_json(obj))

    async def _get_ms(self) -> float:
        times = []
        async with self._clients(1) as (client,):
            for _ in range(_READS):
                started = time.perf_counter()
                await client.ask("GET", f"{_ROLLOUTS}/web")
                times.append(time.perf_counter() - started)
        return statistics.median(times) * 1000

    async def _writes(self, watchers: int, writes: int) -> tuple[float, float]:
        """How long it takes until that many writes are answered and all their events have arrived; wall, processor."""
        async with self._clients(watchers) as watching, self._clients(_WRITERS) as writing, TaskOwner() as tasks:
            self._events = 0
            arrived = asyncio.Event()
            expected = watchers

            def counted(events: int) -> None:
                self._events += events
                if self._events >= expected:
                    arrived.set()

            for number, client in enumerate(watching):
                client.send("GET", f"{_ROLLOUTS}?watch=1")
                tasks.start(client.count(counted), f"watch {number}")
            await arrived.wait()
            arrived.clear()
            expected += writes * watchers
            spent_s, started = self._server.spent_s, time.perf_counter()
            shares = [range(first, writes, _WRITERS) for first in range(_WRITERS)]
            await asyncio.gather(*map(self._write, writing, shares))
            async with asyncio.timeout(30):
                await arrived.wait()
            return time.perf_counter() - started, self._server.spent_s - spent_s

    @staticmethod
    async def _write(client: Client, numbers: range) -> None:
        for number in numbers:
            body = b'{"status":{"observedGeneration":"%d"}}' % (number + 1)
            await client.ask("PATCH", f"{_ROLLOUTS}/web/status", body, "application/merge-patch+json")

    @asynccontextmanager
    async def _clients(self, count: int) -> AsyncIterator[list[Client]]:
        clients = [await Client.connect(self._server.connection, self._tls) for _ in range(count)]
        try:
            yield clients
        finally:
            for client in clients:
                client.close()


async def in_memory() -> Figures:
    """The server without TLS and journal."""
    started = time.perf_counter()
    async with running_apiserver() as server:
        ready_s = time.perf_counter() - started
        measured = Server(psutil.Process(server.process.pid), Connection(server.url))
        return {"ready after": ready_s, **await Bench(measured, None).run()}


async def secured() -> Figures:
    """The server as it is by default with a data directory that it knows."""
    with tempfile.TemporaryDirectory() as directory:
        async with secured_apiserver(Path(directory)):
            pass  # It makes its certificates once.
        started = time.perf_counter()
        async with secured_apiserver(Path(directory)) as server:
            ready_s = time.perf_counter() - started
            measured = Server(psutil.Process(server.process.pid), server.connection)
            return {"ready after": ready_s, **await Bench(measured, tls_of(server.connection)).run()}


def _shown(value: float, bar: float | None, *, more: bool) -> str:
    if bar is None:
        return f"{value:10,.2f}             "
    mark = "✓" if (value >= bar if more else value <= bar) else "✗"
    return f"{value:10,.2f} {'≥' if more else '≤'} {bar:<8,g} {mark}"


def main() -> None:
    """Measure both and print them beside what they must reach, and beside each other."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.parse_args()
    plain, full = uvloop.run(in_memory()), uvloop.run(secured())
    print(f"{'':24} {'':4} {'in memory, plain HTTP':23} {'TLS and journal':23} ratio")
    for bar in _BARS:
        one, other = plain[bar.name], full[bar.name]
        shown = _shown(one, bar.in_memory, more=bar.more), _shown(other, bar.secured, more=bar.more)
        print(f"{bar.name:24} {bar.unit:4} {shown[0]:23} {shown[1]:23} {other / one:5.2f}")
    load, cores = os.getloadavg()[0], os.cpu_count() or 1
    if load > cores + 1:
        print(f"The machine was busy (load {load:.0f} on {cores} cores): compare the processor times only.")


if __name__ == "__main__":
    main()
