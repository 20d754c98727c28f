"""Several worker processes behind one set of ports; one admin and one metrics address speak for all of them.

The parent holds the ports and replaces workers that end. It serves no traffic itself.
"""

import asyncio
import contextlib
from collections.abc import Sequence
from itertools import count
from typing import Final

from meshsim.kit.clock import LoopClock
from meshsim.kit.errors import StartError
from meshsim.kit.plane import Plane
from meshsim.kit.tasks import TaskOwner
from meshsim.proxy.configuration.configuration import warn
from meshsim.proxy.own_pages.drain import Drain
from meshsim.proxy.own_pages.pages import serve_site
from meshsim.proxy.own_pages.queries import Queries
from meshsim.proxy.own_pages.sites import admin_site, stats_site
from meshsim.proxy.server import ProxyOptions
from meshsim.proxy.sockets import Ports
from meshsim.proxy.spokesman import Spokesman
from meshsim.proxy.workers import Worker, asked, start_worker

_RESPAWN_S: Final = 0.1
_KILL_AFTER_DRAIN_S: Final = 2.0
_SAMPLE_EVERY_S: Final = 5.0
"""Less often than a single proxy: every worker writes its metrics out for it."""


class Fleet:
    """The parent of the workers. `arguments` are its own command line, which theirs is made from."""

    def __init__(self, options: ProxyOptions, plane: Plane, arguments: Sequence[str]) -> None:
        self._options = options
        self._plane = plane
        self._arguments = arguments
        self._workers: dict[int, Worker] = {}
        self._all_ready = asyncio.Event()
        self._spare: Worker | None = None
        self._spare_taken = asyncio.Event()
        self._ports = Ports(options.listeners)
        self._tasks = TaskOwner(_told)
        # The workers tell their clients.
        self._drain = Drain(lambda: None, self._stop_listening, options.settings.drain_timeout_s)
        self._spokesman = Spokesman(self._workers, self._drain, plane.stopping.set)

    async def run(self) -> None:
        """Serve until the plane stops. Raises StartError for workers that cannot start."""
        options, spokesman = self._options, self._spokesman
        async with contextlib.AsyncExitStack() as stack:
            stack.callback(self._ports.close)
            tasks = await stack.enter_async_context(self._tasks)
            keepers = [tasks.start(self._keep(index), f"worker {index}") for index in range(options.workers)]
            await self._ready_or_ended(keepers)
            tasks.start(self._keep_spare(), "spare worker")
            queries = Queries(spokesman.sample, _SAMPLE_EVERY_S)
            admin = await serve_site(stack, tasks, admin_site(spokesman), options.admin, "admin")
            tasks.start(queries.run(), "history of metrics")
            stats = await serve_site(stack, tasks, stats_site(spokesman, queries), options.stats, "stats")
            self._plane.ready({**_told_addresses(options, self._ports.addresses), "admin": admin, "stats": stats})
            await self._plane.stopping.wait()
            self._ports.stop_listening()
            await self._stop()

    async def _ready_or_ended(self, keepers: Sequence["asyncio.Task[None]"]) -> None:
        ready = asyncio.ensure_future(self._all_ready.wait())  # noqa: TID251 - awaited here
        await asyncio.wait([ready, *keepers], return_when=asyncio.FIRST_COMPLETED)
        if not ready.done():
            ready.cancel()
            raise StartError("the workers could not start")

    async def _keep(self, index: int) -> None:
        """Keep one worker running: when it ends before it is told to, another takes its place."""
        clock = LoopClock()
        worker = await self._start(index)
        while not self._plane.stopping.is_set():
            if worker is not None:
                self._workers[index] = worker
                if len(self._workers) == self._options.workers:
                    self._all_ready.set()
                code = await worker.ended()
                if self._plane.stopping.is_set():
                    return
                del self._workers[index]
                if self._drain.is_over:
                    warn(f"worker {index} ended with {code}; the listeners are drained, so nobody takes its place")
                    return
                warn(f"worker {index} ended with {code}; another takes its place")
                worker = await self._spare_one()
            elif not self._all_ready.is_set():
                return
            if worker is None:
                await clock.sleep(_RESPAWN_S)
                worker = await self._start(index)

    async def _start(self, index: int, *flags: str) -> Worker | None:
        with self._ports.for_worker() as fds:
            worker = await start_worker([*self._arguments, *self._overrides(index, fds), *flags], fds)
        if worker is not None:
            await self._tell_what_holds(worker)
        return worker

    async def _keep_spare(self) -> None:
        """Have one more worker that only doesn't listen: starting one takes long when the others are busy."""
        clock = LoopClock()
        await self._all_ready.wait()
        for number in count(self._options.workers):
            while (spare := await self._start(number, "--stand-by")) is None:
                await clock.sleep(_RESPAWN_S)
            self._spare = spare
            await self._spare_taken.wait()
            self._spare_taken.clear()

    async def _spare_one(self) -> Worker | None:
        """The spare worker, listening from now on; None when there is none."""
        spare, self._spare = self._spare, None
        if spare is None:
            return None
        self._spare_taken.set()
        if spare.process.returncode is None:
            await self._tell_what_holds(spare)
            spare.listen()
        # One that has ended by itself is noticed by whoever gets it.
        return spare

    async def _tell_what_holds(self, worker: Worker) -> None:
        """What the others were told before it came."""
        if self._drain.has_begun:
            target = "/drain_listeners" if self._drain.is_over else "/drain_listeners?graceful&skip_exit"
            await asked(worker.addresses["admin"], "POST", target)
        if self._spokesman.health_is_failed:
            await asked(worker.addresses["admin"], "POST", "/healthcheck/fail")

    def _overrides(self, index: int, fds: Sequence[int]) -> list[str]:
        given = ["--workers", "1", "--admin-host", "127.0.0.1", "--admin-port", "0", "--stats-port", "0"]
        given += ["--listen-fds", ",".join(map(str, fds))]
        return given if self._options.seed is None else [*given, "--seed", str(self._options.seed + index)]

    def _stop_listening(self) -> None:
        self._ports.stop_listening()
        self._tasks.start(self._spokesman.stop_listening(), "stop listening")

    async def _stop(self) -> None:
        """Let every worker drain; what is left after that is killed."""
        spare = [self._spare] if self._spare else []
        processes = [worker.process for worker in (*self._workers.values(), *spare)]
        for process in processes:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
        limit_s = self._options.settings.drain_timeout_s + _KILL_AFTER_DRAIN_S
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limit_s):
                await asyncio.gather(*(process.wait() for process in processes))
        for process in processes:
            if process.returncode is None:
                process.kill()


def _told_addresses(options: ProxyOptions, bound: Sequence[str]) -> dict[str, str]:
    numbered = {
        f"listener/{spec.number}": address
        for spec, address in zip(options.spec.listeners, bound, strict=True)
        if spec.number is not None
    }
    return {"traffic": bound[0], **numbered}


def _told(name: str, error: Exception) -> None:
    warn(f"{name} failed: {error!r}")
