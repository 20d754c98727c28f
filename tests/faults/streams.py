"""Bodies: a gigabyte each way, and peers that stand still (bars 7 and 8)."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Callable

from meshsim.kit.clock import LoopClock
from tests.faults.figures import Figure, to
from tests.faults.peers import PIECE, Client, Upstream
from tests.faults.subjects import Start, Subject

_GIB = 1024**3
_STALLED = 200


async def a_gigabyte(start: Start) -> AsyncIterator[Figure]:
    """Down and up, one after the other."""
    async with Upstream() as upstream, start(to(upstream.port, response_s=None)) as subject:
        await _warm(subject)
        for name, transfer in (("down", _download), ("up", _upload)):
            memory = _Peak(subject)
            started = time.monotonic()
            watching = asyncio.get_running_loop().create_task(memory.watch())
            await transfer(subject.target)
            took_s = time.monotonic() - started
            watching.cancel()
            yield Figure(f"1 GiB {name}: MiB of growth", memory.growth_mib, 4)
            yield Figure(f"1 GiB {name}: MB/s", _GIB / took_s / 1e6, 300, at_least=True)


async def _warm(subject: Subject) -> None:
    client = await Client.to(subject.target)
    for _ in range(200):
        await client.ask("/ok")
    await client.ask("/big?1000000")
    client.close()


class _Peak:
    """The most memory a proxy takes, above what it took at first."""

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._base = self._most = subject.pss_mib()

    @property
    def growth_mib(self) -> float:
        return self._most - self._base

    async def watch(self) -> None:
        while True:
            await LoopClock().sleep(0.2)
            self._most = max(self._most, self._subject.pss_mib())


async def _download(target: tuple[str, int]) -> None:
    reader, writer = await asyncio.open_connection(*target, limit=2**20)
    writer.write(b"GET /big?%d HTTP/1.1\r\nhost: a\r\n\r\n" % _GIB)
    await reader.readuntil(b"\r\n\r\n")
    left = _GIB
    while left:
        data = await reader.read(2**20)
        assert data, "the body was cut"
        left -= len(data)
    writer.close()


async def _upload(target: tuple[str, int]) -> None:
    reader, writer = await asyncio.open_connection(*target)
    writer.write(b"POST /ok HTTP/1.1\r\nhost: a\r\ncontent-length: %d\r\n\r\n" % _GIB)
    for _ in range(_GIB // len(PIECE)):
        writer.write(PIECE)
        await writer.drain()
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
    writer.close()


async def stalled_peers(start: Start) -> AsyncIterator[Figure]:
    """Clients that read nothing, and an upstream that doesn't."""
    async with Upstream() as upstream, start(to(upstream.port, response_s=None, body_s=None)) as subject:
        await _warm(subject)
        base = subject.pss_mib()
        one = _stalled(subject.target)
        await _until_still(lambda: upstream.sent_bytes)
        yield Figure("a client that reads nothing: MiB of growth", subject.pss_mib() - base, 2)
        one.close()
        writer = (await asyncio.open_connection(*subject.target))[1]
        writer.write(b"POST /take-nothing HTTP/1.1\r\nhost: a\r\ncontent-length: %d\r\n\r\n" % _GIB)
        sent = 0
        async with asyncio.timeout(30):
            while True:
                writer.write(PIECE)
                sent += len(PIECE)
                try:
                    async with asyncio.timeout(1):
                        await writer.drain()
                except TimeoutError:
                    break
        yield Figure("an upstream that reads nothing: MiB of growth", subject.pss_mib() - base, 2)
        writer.transport.abort()
        clients = [_stalled(subject.target) for _ in range(_STALLED)]
        await _until_still(lambda: upstream.sent_bytes)
        yield Figure("200 stalled clients: KiB each", (subject.pss_mib() - base) * 1024 / _STALLED, 256)
        for client in clients:
            client.close()
        await LoopClock().sleep(5)
        yield Figure("5 s after they left: MiB above the base", subject.pss_mib() - base, 10)


def _stalled(target: tuple[str, int]) -> socket.socket:
    client = socket.create_connection(target)
    client.sendall(b"GET /big?100000000 HTTP/1.1\r\nhost: a\r\n\r\n")
    return client


async def _until_still(count: Callable[[], int]) -> None:
    last = -1
    while (seen := count()) != last:
        last = seen
        await LoopClock().sleep(1)
