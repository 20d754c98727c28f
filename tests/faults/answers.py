"""Upstreams that fail: what a client is told, how soon, and what is left behind (bars 5, 6 and 10)."""

import asyncio
import time
from collections.abc import AsyncIterator

from meshsim.kit.clock import LoopClock
from tests.faults.figures import Figure, to, within
from tests.faults.peers import Client, Upstream
from tests.faults.subjects import Setup, Start, Subject

_ROUND = 100
"""Faults of each kind in a round."""


async def failing_upstreams(start: Start) -> AsyncIterator[Figure]:
    """Resets, hangs, cuts and refusals."""
    async with Upstream() as upstream, start(to(upstream.port, response_s=1.0)) as subject:
        await _load(subject.target)
        for name, path, limit_ms in (("FIN before an answer", "/fin", 50), ("RST before an answer", "/rst", 50)):
            status, took_ms = await _timed(subject.target, path)
            yield Figure(f"{name}: ms to 502/503", took_ms if status in (502, 503) else 1e6, limit_ms)
        status, took_ms = await _timed(subject.target, "/hang")
        yield Figure("hang: ms beyond the timeout to 504", took_ms - 1000 if status == 504 else 1e6, 250)
        yield Figure("RST in a body: ms until the client can tell", await _cut(subject.target), 1100)
        await _faults(subject.target)
        after_first = subject.open_files()
        await _faults(subject.target)
        yield Figure("file descriptors more after a second round", subject.open_files() - after_first, 0)
        upstream.stop()
        status, took_ms = await _timed(subject.target, "/ok")
        yield Figure("refused: ms to 503", took_ms if status == 503 else 1e6, 50)
        await upstream.listen()
        back = time.monotonic()
        while (await _timed(subject.target, "/ok"))[0] != 200:
            await LoopClock().sleep(0.002)
        yield Figure("ms to the first 200 once it is back", (time.monotonic() - back) * 1000, 100)


async def _load(target: tuple[str, int]) -> None:
    clients = [await Client.to(target) for _ in range(8)]
    await asyncio.gather(*(client.ask("/ok") for client in clients for _ in range(1)))
    for client in clients:
        client.close()


async def _timed(target: tuple[str, int], path: str) -> tuple[int, float]:
    client = await Client.to(target)
    started = time.monotonic()
    status, _ = await client.ask(path)
    client.close()
    return status, (time.monotonic() - started) * 1000


async def _cut(target: tuple[str, int]) -> float:
    client = await Client.to(target)
    answer = client.send("/cut")
    took_s = await within(5, lambda: client.lost)
    answer.exception()
    return took_s * 1000


async def _faults(target: tuple[str, int]) -> None:
    client = await Client.to(target)
    for number in range(_ROUND):
        for path in ("/fin", "/rst", "/cut"):
            if client.lost:
                client = await Client.to(target)
            await client.ask(path, str(number))
    client.close()
    await LoopClock().sleep(0.5)


async def retries(start: Start) -> AsyncIterator[Figure]:
    """One endpoint of two refuses; and what resets after it has read a request."""
    refuses = Upstream()
    async with refuses:
        port = refuses.port
    async with Upstream() as upstream:
        async with start(Setup({"v1": (port, upstream.port)}, retries=2)) as subject:
            client = await Client.to(subject.target)
            for method in ("GET", "POST"):
                asked = [await client.ask("/ok", f"{method}{n}", method, b"x" * 10) for n in range(200)]
                failed = sum(status != 200 for status, _ in asked)
                yield Figure(f"{method}s of 200 lost while an endpoint refuses", failed, 0)
            client.close()
        async with start(to(upstream.port, retries=2)) as subject:
            for number in range(60):
                client = await Client.to(subject.target)
                await client.ask("/rst", f"once{number}", "POST", b"x")
                client.close()
        twice = sum(count > 1 for count in upstream.executed.values())
        yield Figure("POSTs run twice", twice, 0)


async def _more_than(upstream: Upstream, requests: int) -> None:
    await within(5, lambda: upstream.requests > requests)


async def clients_that_leave(start: Start) -> AsyncIterator[Figure]:
    """How soon the upstream sees that nobody is there any more."""
    async with Upstream() as upstream, start(to(upstream.port, body_s=None, response_s=None)) as subject:
        for name, path in (("waiting", "/hang"), ("in a body", "/stream")):
            upstream.left_at.clear()
            requests = upstream.requests
            client = await Client.to(subject.target)
            answer = client.send(path)
            await _more_than(upstream, requests)
            await LoopClock().sleep(0.2)
            left = time.monotonic()
            client.close()
            took_s = await within(5, lambda: bool(upstream.left_at))
            seen = upstream.left_at[0] - left if upstream.left_at else took_s
            yield Figure(f"client leaves while {name}: ms until the upstream sees it", seen * 1000, 100)
            await within(1, answer.done)
            answer.exception()
        yield Figure("client resets an upload that nobody reads: ms", await _upload_left(subject, upstream) * 1000, 100)


async def _upload_left(subject: Subject, upstream: Upstream) -> float:
    """Seconds until the proxy lets go of the upload's connection to the upstream."""
    client = await Client.to(subject.target)
    requests = upstream.requests
    answer = client.send("/take-nothing", method="POST", body=bytes(64 * 1024 * 1024))
    await _more_than(upstream, requests)
    await LoopClock().sleep(0.5)
    files = subject.open_files()
    left = time.monotonic()
    client.reset()
    await within(5, lambda: subject.open_files() <= files - 2)
    seen_s = time.monotonic() - left
    await within(1, answer.done)
    answer.exception()
    return seen_s
