"""How fast the API server is, from outside: `python -m tests.bench.api [--data-dir DIR]`.

Client and server share the machine, so the figures are a lower bound.
"""

import argparse
import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable
from typing import Final
from urllib.parse import urlsplit

import psutil
import uvloop

from meshsim.api.kinds import CONFIG_MAP, ROLLOUT
from meshsim.api.meta import Key
from meshsim.client.http import HttpApi
from meshsim.kit.tasks import TaskOwner
from tests.kits.apiserver import running_apiserver
from tests.kits.manifests import config_map, rollout

_WRITERS: Final = 8
_WATCHERS: Final = 100
_OBJECTS: Final = 1000
_WRITES: Final = 3000
_WEB: Final = Key("default", "web")
_ROLLOUTS: Final = "/apis/argoproj.io/v1alpha1/rollouts?watch=1"


class RawWatch:
    """A watch that only counts its events, so that what is measured is the server."""

    def __init__(self) -> None:
        self.events = 0

    async def run(self, url: str) -> None:
        """Count for ever."""
        address = urlsplit(url)
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        writer.write(f"GET {_ROLLOUTS} HTTP/1.1\r\nHost: {address.netloc}\r\n\r\n".encode())
        try:
            while data := await reader.read(1 << 18):
                self.events += data.count(b'{"type":"')
        finally:
            writer.close()


async def _seconds(times: int, ask: Callable[[int], Awaitable[object]]) -> float:
    """How long that many calls take, several at once."""

    async def some(first: int) -> None:
        for number in range(first, times, _WRITERS):
            await ask(number)

    started = time.perf_counter()
    async with TaskOwner() as tasks:
        await asyncio.gather(*(tasks.start(some(first), f"writer {first}") for first in range(_WRITERS)))
    return time.perf_counter() - started


async def _measure_reads(api: HttpApi) -> None:
    times = []
    for _ in range(2000):
        started = time.perf_counter()
        await api.get(ROLLOUT, _WEB)
        times.append(time.perf_counter() - started)
    _print("GET p50", statistics.median(times) * 1000, "ms")


async def _measure_writes(api: HttpApi, server: psutil.Process, url: str, watchers: int, writes: int) -> None:
    watches = [RawWatch() for _ in range(watchers)]

    async def write(number: int) -> None:
        await api.patch(ROLLOUT, _WEB, {"status": {"observedGeneration": str(number + 1)}}, subresource="status")

    async with TaskOwner() as tasks:
        for number, watch in enumerate(watches):
            tasks.start(watch.run(url), f"watch {number}")
        while not all(watch.events for watch in watches):
            await api.get(ROLLOUT, _WEB)
        before = sum(watch.events for watch in watches)
        spent = sum(server.cpu_times()[:2])
        seconds = await _seconds(writes, write)
        spent = sum(server.cpu_times()[:2]) - spent
        delivered = sum(watch.events for watch in watches) - before
    _print(f"writes, {watchers} watching", writes / seconds, "/s")
    _print(f"events, {watchers} watching", delivered / seconds, "/s")
    _print("CPU a write", spent / writes * 1e6, "µs")


def _print(what: str, value: float, unit: str) -> None:
    print(f"{what:24} {value:10,.2f} {unit}", flush=True)


async def _run(flags: list[str]) -> None:
    started = time.perf_counter()
    async with running_apiserver(*flags) as server, HttpApi(server.url) as api:
        _print("start", time.perf_counter() - started, "s")
        process = psutil.Process(server.process.pid)
        _print("memory, idle", process.memory_full_info().pss / 1e6, "MB")
        await api.create(ROLLOUT, rollout())
        await _measure_reads(api)
        await _measure_writes(api, process, server.url, 1, _WRITES)
        await _measure_writes(api, process, server.url, _WATCHERS, _WRITES // 3)
        body = {"k": "v" * 500}
        await _seconds(_OBJECTS, lambda number: api.create(CONFIG_MAP, config_map(f"c{number}", data=body)))
        _print(f"memory, {_OBJECTS} objects", process.memory_full_info().pss / 1e6, "MB")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-dir", help="keep a journal there")
    flags = parser.parse_args()
    uvloop.run(_run(["--data-dir", flags.data_dir] if flags.data_dir else []))


if __name__ == "__main__":
    main()
