"""Two thousand Rollouts and no node: `python -m tests.bench.controller [--rollouts N]`.

Cold, the controller makes every ReplicaSet and pod; started again over the same store it has nothing to do. Client,
API server and controller share the machine.
"""

import argparse
import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import psutil
import uvloop

from meshsim.api.kinds import POD, REPLICA_SET, ROLLOUT
from meshsim.api.meta import Key
from meshsim.client.http import HttpApi
from meshsim.kit.clock import LoopClock
from tests.kits.apiserver import running_apiserver
from tests.kits.manifests import rollout
from tests.kits.processes import serving

_CREATORS: Final = 16
_QUIET_S: Final = 2.0
_EVERY_S: Final = 0.25
_MEASURED_S: Final = 10.0
_CHANGES: Final = 20
_CLOCK: Final = LoopClock()


def _print(what: str, value: float, unit: str) -> None:
    print(f"{what:42} {value:10,.2f} {unit}", flush=True)


async def _create(api: HttpApi, count: int) -> None:
    async def some(first: int) -> None:
        for number in range(first, count, _CREATORS):
            await api.create(ROLLOUT, rollout(f"web-{number}", replicas=1))

    await asyncio.gather(*(some(first) for first in range(_CREATORS)))


async def _until_idle(api: HttpApi, process: psutil.Process, pods: int) -> float:
    """The instant since when every pod is there, none of them was written and the controller did next to nothing."""
    quiet_since, before = time.perf_counter(), (0, 0.0)
    while time.perf_counter() - quiet_since < _QUIET_S:
        await _CLOCK.sleep(_EVERY_S)
        rollouts, seen = await api.list(ROLLOUT), await api.list(POD)
        # Not the version of the whole store, which a leader's lease raises for ever.
        written = max((int(obj["metadata"]["resourceVersion"]) for obj in (*rollouts.items, *seen.items)), default=0)
        spent = round(sum(process.cpu_times()[:2]), 1)
        if (written, spent) != before or len(seen.items) < pods:
            quiet_since, before = time.perf_counter(), (written, spent)
    return quiet_since


@asynccontextmanager
async def _controller(url: str) -> AsyncIterator[psutil.Process]:
    with serving("controller", "--api", url, "--port", "0") as served:
        yield psutil.Process(served.process.pid)


async def _measure_changes(api: HttpApi) -> None:
    """From the answer to a change until the watch brings its ReplicaSet."""
    slowest = 0.0
    for number in range(_CHANGES):
        listing = await api.list(REPLICA_SET)
        container = {"name": "main", "image": f"web:changed-{number}"}
        template = {"spec": {"containers": [container]}}
        await api.patch(ROLLOUT, Key("default", f"web-{number}"), {"spec": {"template": template}})
        started = time.perf_counter()
        async for event in api.watch(REPLICA_SET, listing.resource_version):
            if event.type == "ADDED":
                break
        slowest = max(slowest, time.perf_counter() - started)
    _print(f"slowest of {_CHANGES} changes acted on in", slowest * 1000, "ms")


async def _run(count: int) -> None:
    async with running_apiserver() as server, HttpApi(server.url) as api:
        await _create(api, count)
        started = time.perf_counter()
        async with _controller(server.url) as process:
            _print(f"cold: {count} rollouts with their pods", await _until_idle(api, process, count) - started, "s")
        started = time.perf_counter()
        async with _controller(server.url) as process:
            _print("again: started, synced and idle", await _until_idle(api, process, count) - started, "s")
            spent = sum(process.cpu_times()[:2])
            await _CLOCK.sleep(_MEASURED_S)
            spent = sum(process.cpu_times()[:2]) - spent
            _print("CPU when idle", spent / _MEASURED_S * 100, "% of a core")
            _print("memory", process.memory_full_info().pss / 1e6, "MB")
            await _measure_changes(api)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rollouts", type=int, default=2000, help="how many (default %(default)s)")
    uvloop.run(_run(parser.parse_args().rollouts))


if __name__ == "__main__":
    main()
