"""Many connections: idle ones, new ones, half-sent heads (bars 9 and 13)."""

import asyncio
import resource
import time
from collections.abc import AsyncIterator
from typing import Final

from meshsim.kit.clock import LoopClock
from tests.faults.figures import Figure, percentile, to, within
from tests.faults.peers import Client, Upstream
from tests.faults.subjects import Start, Subject

_IDLE: Final = 9800
_SLOW: Final = 2000
_CHURN_S: Final = 5.0


def raise_file_limit() -> None:
    """As many file descriptors as this process may have; its children inherit it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


async def _many(subject: Subject, count: int) -> list[Client]:
    clients: list[Client] = []
    for _ in range(0, count, 200):
        clients += await asyncio.gather(*(Client.to(subject.target) for _ in range(min(200, count - len(clients)))))
    return clients


async def _latencies(subject: Subject, requests: int) -> list[float]:
    client = await Client.to(subject.target)
    took: list[float] = []
    for _ in range(requests):
        started = time.monotonic()
        status, _ = await client.ask("/ok")
        assert status == 200
        took.append((time.monotonic() - started) * 1000)
    client.close()
    return took


async def idle_connections(start: Start) -> AsyncIterator[Figure]:
    """Connections that did a request once and then wait for the next."""
    async with Upstream() as upstream, start(to(upstream.port)) as subject:
        await _latencies(subject, 300)
        base, files = subject.pss_mib(), subject.open_files()
        clients = await _many(subject, _IDLE)
        for at in range(0, _IDLE, 100):
            await asyncio.gather(*(client.ask("/ok") for client in clients[at : at + 100]))
        await LoopClock().sleep(1)
        held = sum(not client.lost for client in clients)
        yield Figure("idle connections held", held, _IDLE, at_least=True)
        yield Figure("KiB an idle connection", (subject.pss_mib() - base) * 1024 / _IDLE, 12)
        yield Figure("new requests meanwhile: p50 in ms", percentile(await _latencies(subject, 300), 0.5), 5)
        usable = await asyncio.gather(*(client.ask("/ok") for client in clients[::200]))
        yield Figure("of 49 still usable", sum(status == 200 for status, _ in usable), 49, at_least=True)
        for client in clients:
            client.close()
        await within(10, lambda: subject.open_files() <= files + 100)
        # What its pool of upstream connections keeps is not lost: a hundred were asked for at once.
        yield Figure("file descriptors above the base afterwards", subject.open_files() - files, 100)


async def new_connections(start: Start) -> AsyncIterator[Figure]:
    """A new connection for each request, in three rounds."""
    async with Upstream() as upstream, start(to(upstream.port)) as subject:
        rates: list[float] = []
        memory: list[float] = []
        errors = 0
        for _ in range(3):
            done, failed = await _churn(subject)
            rates.append(done / _CHURN_S)
            errors += failed
            memory.append(subject.pss_mib())
        yield Figure("new connections a second", max(rates), 2500, at_least=True)
        yield Figure("errors among them", errors, 0)
        yield Figure("MiB of growth in the third round", memory[2] - memory[1], 1)


async def _churn(subject: Subject) -> tuple[int, int]:
    until = time.monotonic() + _CHURN_S
    counts = [0, 0]

    async def one_after_the_other() -> None:
        while time.monotonic() < until:
            client = await Client.to(subject.target)
            status, _ = await client.ask("/ok")
            counts[status != 200] += 1
            client.close()

    await asyncio.gather(*(one_after_the_other() for _ in range(16)))
    return counts[0], counts[1]


async def slow_heads(start: Start) -> AsyncIterator[Figure]:
    """Heads that never end, while others are served."""
    async with Upstream() as upstream, start(to(upstream.port, head_s=2.0)) as subject:
        before = percentile(await _latencies(subject, 1000), 0.99)
        clients = await _many(subject, _SLOW)
        for client in clients:
            client.transport.write(b"GET / HTTP/1.1\r\nhost: a\r\nx-slow: ")
        started = time.monotonic()
        during = percentile(await _latencies(subject, 1000), 0.99)
        await within(6 - (time.monotonic() - started), lambda: all(client.lost for client in clients))
        yield Figure("half-sent heads cut within 6 s", sum(client.lost for client in clients), _SLOW, at_least=True)
        yield Figure("p99 meanwhile over p99 before", during / before, 2)
