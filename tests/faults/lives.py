"""A proxy that is changed, stopped and killed under load (bars 4, 11 and 12)."""

import asyncio
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Final

import psutil

from meshsim.kit.clock import LoopClock
from tests.faults.figures import Figure, percentile, to, within
from tests.faults.peers import Client, Upstream
from tests.faults.subjects import Setup, Start, Subject, meshsim

_CONNECTIONS: Final = 32
_CHANGES_A_SECOND: Final = 50
_CHANGES: Final = 500
_CHANGES_IN_A_WINDOW: Final = 25


class Load:
    """Keep-alive connections that ask as fast as they are answered; every request has an id of its own."""

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._running = True
        self._began = time.monotonic_ns()
        self.statuses: Counter[int] = Counter()
        self.versions: Counter[bytes] = Counter()
        self.wrong = 0
        self.latencies_ms: list[float] = []
        self.answered_at: list[float] = []
        self.closed = 0

    async def run(self, connections: int = _CONNECTIONS) -> None:
        """Until `stop`."""
        await asyncio.gather(*(self._one(number) for number in range(connections)))

    def stop(self) -> None:
        """Send no more."""
        self._running = False

    async def _one(self, number: int) -> None:
        client = await Client.to(self._subject.target)
        count = 0
        while self._running:
            if client.lost:
                self.closed += 1
                with suppress(OSError):
                    client = await Client.to(self._subject.target)
            count += 1
            id_ = f"{self._began}-{number}-{count}"
            started = time.monotonic()
            status, body = await client.ask("/ok", id_)
            now = time.monotonic()
            self.latencies_ms.append((now - started) * 1000)
            self.answered_at.append(now)
            self.statuses[status] += 1
            version, _, answered = body.partition(b" ")
            self.versions[version] += 1
            self.wrong += answered != id_.encode()
            if status == 0:
                await LoopClock().sleep(0.01)
        client.close()


async def changes_under_load(start: Start) -> AsyncIterator[Figure]:
    """Weights that change fifty times a second, which come to one version at the end."""
    async with Upstream("v1") as one, Upstream("v2") as two, Upstream("v3") as three:
        upstreams = {"v1": (one.port,), "v2": (two.port,), "v3": (three.port,)}
        async with start(Setup(upstreams)) as subject:
            subject.route_to({"v1": 50, "v2": 50})
            await LoopClock().sleep(0.5)
            before = three.requests
            load = Load(subject)
            running = asyncio.get_running_loop().create_task(load.run())
            # Windows with and without changes by turns: what else the machine does falls on both.
            calm, changing = list[float](), list[float]()
            for window in range(0, _CHANGES, _CHANGES_IN_A_WINDOW):
                load.latencies_ms = calm
                await LoopClock().sleep(_CHANGES_IN_A_WINDOW / _CHANGES_A_SECOND)
                load.latencies_ms = changing
                for number in range(window, window + _CHANGES_IN_A_WINDOW):
                    share = number % 99 + 1
                    subject.route_to({"v1": share, "v2": 100 - share})
                    await LoopClock().sleep(1 / _CHANGES_A_SECOND)
            load.stop()
            await running
            executed = one.executed + two.executed
            yield Figure("requests during 500 changes", len(changing), 50_000, at_least=True)
            yield Figure("answers other than 200", load.statuses.total() - load.statuses[200], 0)
            yield Figure("lost or another's answer", load.wrong, 0)
            yield Figure("executed twice", sum(count > 1 for id_, count in executed.items() if id_), 0)
            yield Figure("answered by a version that no configuration names", three.requests - before, 0)
            yield Figure("connections closed by a change", load.closed, 0)
            yield Figure("p99 over the p99 without changes", percentile(changing, 0.99) / percentile(calm, 0.99), 1.5)
            yield Figure("a change is in effect after ms, worst of 8", await _effect_ms(subject), 50)


async def _effect_ms(subject: Subject) -> float:
    worst = 0.0
    client = await Client.to(subject.target)
    for number in range(8):
        version = f"v{number % 2 + 1}"
        subject.route_to({version: 100})
        changed = time.monotonic()
        while (await client.ask("/ok"))[1].split(b" ")[0] != version.encode():
            await LoopClock().sleep(0)
        worst = max(worst, (time.monotonic() - changed) * 1000)
        await LoopClock().sleep(0.1)
    client.close()
    return worst


async def stops(start: Start) -> AsyncIterator[Figure]:
    """Told to stop with fifty requests in flight and twenty idle connections."""
    async with Upstream() as upstream, start(to(upstream.port, response_s=None, body_s=None)) as subject:
        idle = [await Client.to(subject.target) for _ in range(20)]
        for client in idle:
            await client.ask("/ok")
        busy = [await Client.to(subject.target) for _ in range(50)]
        answers = [asyncio.get_running_loop().create_task(client.ask("/slow?1")) for client in busy]
        await within(3, lambda: upstream.requests >= 70)
        stopping = asyncio.get_running_loop().create_task(subject.stop())
        done = await asyncio.gather(*answers)
        finished = time.monotonic()
        code = await stopping
        yield Figure("requests in flight that finish, of 50", sum(s == 200 for s, _ in done), 50, at_least=True)
        yield Figure("idle connections that are reset", sum(client.was_reset for client in idle), 0)
        yield Figure("seconds from the last answer to the exit", time.monotonic() - finished, 0.5)
        yield Figure("exit code", code, 0)


async def dies(start: Start) -> AsyncIterator[Figure]:
    """Killed while it works: how long until the next one serves."""
    async with Upstream() as upstream:
        started = time.monotonic()
        async with start(to(upstream.port)) as subject:
            client = await Client.to(subject.target)
            assert (await client.ask("/ok"))[0] == 200
            yield Figure("cold start to the first 200, in s", time.monotonic() - started, 1)


_WORKERS: Final = 3


async def workers_die(start: Start) -> AsyncIterator[Figure]:
    """One of three workers is killed under load, and then another; of ours only."""
    if start is not meshsim:
        return
    async with Upstream() as upstream, start(Setup({"v1": (upstream.port,)}, workers=_WORKERS)) as subject:
        # Its spare worker is there by then.
        await LoopClock().sleep(2)
        load = Load(subject)
        running = asyncio.get_running_loop().create_task(load.run())
        await LoopClock().sleep(1)
        before = len(load.answered_at)
        victim = _worker(subject)
        held = len(victim.net_connections("tcp"))
        victim.send_signal(signal.SIGKILL)
        await LoopClock().sleep(1.5)
        gaps = [b - a for a, b in zip(load.answered_at[before:], load.answered_at[before + 1 :], strict=False)]
        lost = load.statuses[0]
        await LoopClock().sleep(1)
        victim = _worker(subject)
        victim.send_signal(signal.SIGKILL)
        # To look costs so much that the load notices.
        replaced_s = await within(5, lambda: _serving(subject, victim) == _WORKERS, every_s=0.1)
        load.stop()
        await running
        yield Figure("a worker killed: s until another serves", replaced_s, 1)
        yield Figure("longest gap between answers, in ms", max(gaps) * 1000, 100)
        yield Figure("requests lost, at most the connections it held", lost, held)


def _worker(subject: Subject) -> psutil.Process:
    """One that takes connections."""
    return next(process for process in subject.processes()[1:] if _serving(subject, process) < _WORKERS)


def _serving(subject: Subject, victim: psutil.Process) -> int:
    """How many processes take connections, but for the one that is on its way out."""
    serving = 0
    for process in subject.processes():
        with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            serving += process.pid != victim.pid and any(
                one.status == psutil.CONN_LISTEN and one.laddr.port == subject.target[1]
                for one in process.net_connections("tcp")
            )
    return serving
