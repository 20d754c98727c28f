"""Several worker processes behind one set of ports; one admin and one metrics address speak for all of them.

The parent opens the listening sockets and hands them on, so that connections nobody has accepted yet survive a
worker's end. It serves no traffic itself.
"""

import asyncio
import contextlib
import socket
from collections.abc import Sequence
from typing import Final

from meshsim.kit.address import Address, cannot_listen
from meshsim.kit.clock import LoopClock
from meshsim.kit.errors import StartError
from meshsim.kit.plane import Plane
from meshsim.kit.tasks import TaskOwner
from meshsim.proxy.configuration import warn
from meshsim.proxy.drain import Drain
from meshsim.proxy.pages import serve_site
from meshsim.proxy.queries import Queries
from meshsim.proxy.server import ProxyOptions
from meshsim.proxy.sites import admin_site, stats_site
from meshsim.proxy.spokesman import Spokesman
from meshsim.proxy.workers import Worker, start_worker

_RESPAWN_S: Final = 0.1
_KILL_AFTER_DRAIN_S: Final = 2.0
_BACKLOG: Final = 1024
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

    async def run(self) -> None:
        """Serve until the plane stops. Raises StartError for a busy port or workers that cannot start."""
        options = self._options
        async with contextlib.AsyncExitStack() as stack:
            sockets = [stack.enter_context(_listening(address)) for address in options.listeners]
            tasks = await stack.enter_async_context(TaskOwner(_told))
            keepers = [
                tasks.start(self._keep(index, [s.fileno() for s in sockets]), f"worker {index}")
                for index in range(options.workers)
            ]
            await self._ready_or_ended(keepers)
            # The workers tell their clients; the listeners are everybody's, and closed for all of them here.
            drain = Drain(lambda: None, lambda: _close(sockets), options.settings.drain_timeout_s)
            spokesman = Spokesman(self._workers, drain, self._plane.stopping.set)
            queries = Queries(spokesman.sample, _SAMPLE_EVERY_S)
            admin = await serve_site(stack, tasks, admin_site(spokesman), options.admin, "admin")
            tasks.start(queries.run(), "history of metrics")
            stats = await serve_site(stack, tasks, stats_site(spokesman, queries), options.stats, "stats")
            self._plane.ready({**_told_addresses(options, sockets), "admin": admin, "stats": stats})
            await self._plane.stopping.wait()
            _close(sockets)
            await self._stop()

    async def _ready_or_ended(self, keepers: Sequence["asyncio.Task[None]"]) -> None:
        ready = asyncio.ensure_future(self._all_ready.wait())  # noqa: TID251 - awaited here
        await asyncio.wait([ready, *keepers], return_when=asyncio.FIRST_COMPLETED)
        if not ready.done():
            ready.cancel()
            raise StartError("the workers could not start")

    async def _keep(self, index: int, fds: list[int]) -> None:
        """Keep one worker running: when it ends before it is told to, another takes its place."""
        clock = LoopClock()
        while not self._plane.stopping.is_set():
            worker = await start_worker([*self._arguments, *self._overrides(index, fds)], fds)
            if worker is None:
                if not self._all_ready.is_set():
                    return
            else:
                self._workers[index] = worker
                if len(self._workers) == self._options.workers:
                    self._all_ready.set()
                code = await worker.ended()
                if self._plane.stopping.is_set():
                    return
                del self._workers[index]
                warn(f"worker {index} ended with {code}; another takes its place")
            await clock.sleep(_RESPAWN_S)

    def _overrides(self, index: int, fds: list[int]) -> list[str]:
        given = ["--workers", "1", "--admin-port", "0", "--stats-port", "0"]
        given += ["--listen-fds", ",".join(map(str, fds))]
        return given if self._options.seed is None else [*given, "--seed", str(self._options.seed + index)]

    async def _stop(self) -> None:
        """Let every worker drain; what is left after that is killed."""
        processes = [worker.process for worker in self._workers.values()]
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


def _listening(address: Address) -> socket.socket:
    opened = socket.socket(socket.AF_INET6 if ":" in address.host else socket.AF_INET)
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.bind((address.host, address.port))
        opened.listen(_BACKLOG)
    except OSError as error:
        opened.close()
        raise cannot_listen(address, error) from None
    opened.setblocking(False)
    return opened


def _close(sockets: Sequence[socket.socket]) -> None:
    """Listen no more, in this process and in every other that has the sockets."""
    for opened in sockets:
        with contextlib.suppress(OSError):
            opened.shutdown(socket.SHUT_RDWR)


def _told_addresses(options: ProxyOptions, sockets: Sequence[socket.socket]) -> dict[str, str]:
    bound = ["{}:{}".format(*opened.getsockname()[:2]) for opened in sockets]
    numbered = {
        f"listener/{spec.number}": address
        for spec, address in zip(options.spec.listeners, bound, strict=True)
        if spec.number is not None
    }
    return {"traffic": bound[0], **numbered}


def _told(name: str, error: Exception) -> None:
    warn(f"{name} failed: {error!r}")
