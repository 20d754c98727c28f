"""Several worker processes behind one set of ports; one admin and one metrics address speak for all of them.

The parent opens the listening sockets and hands them on, so that connections nobody has accepted yet survive a
worker's end. It serves no traffic itself.
"""

import asyncio
import contextlib
import json
import os
import socket
import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import aiohttp
from aiohttp import web

from meshsim.kit.address import Address, cannot_listen
from meshsim.kit.clock import LoopClock
from meshsim.kit.errors import StartError
from meshsim.kit.plane import Plane
from meshsim.kit.tasks import TaskOwner
from meshsim.proxy.configuration import warn
from meshsim.proxy.drain import Drain
from meshsim.proxy.queries import Add, Queries
from meshsim.proxy.server import ProxyOptions
from meshsim.proxy.stats import merged_clusters
from meshsim.telemetry.exposition import CONTENT_TYPE, merged
from meshsim.telemetry.pages import serve_pages

_RESPAWN_S: Final = 0.1
_KILL_AFTER_DRAIN_S: Final = 2.0
_BACKLOG: Final = 1024
_PAGE_TIMEOUT_S: Final = 5.0
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
            session = await stack.enter_async_context(
                aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_PAGE_TIMEOUT_S))
            )
            keepers = [
                tasks.start(self._keep(index, [s.fileno() for s in sockets]), f"worker {index}")
                for index in range(options.workers)
            ]
            await self._ready_or_ended(keepers)
            # The workers tell their clients; the listeners are everybody's, and closed for all of them here.
            drain = Drain(lambda: None, lambda: _close(sockets), options.settings.drain_timeout_s)
            pages = FleetPages(self._workers, session, drain, self._plane.stopping.set)
            admin = await serve_pages(stack, pages.admin_app(), options.admin, "admin")
            queries = Queries(pages.sample, _SAMPLE_EVERY_S)
            tasks.start(queries.run(), "history of metrics")
            stats = await serve_pages(stack, pages.stats_app(queries), options.stats, "stats")
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


class Worker:
    """A running worker and where its pages are. It ends when the lifeline closes, however its parent went."""

    def __init__(self, process: asyncio.subprocess.Process, addresses: dict[str, str], lifeline: int) -> None:
        self.process = process
        self.addresses = addresses
        self._lifeline = lifeline

    async def ended(self) -> int:
        """Wait for its end; returns the exit code."""
        code = await self.process.wait()
        os.close(self._lifeline)
        return code


async def start_worker(arguments: Sequence[str], fds: Sequence[int]) -> Worker | None:
    """Start one and wait until it serves; None when it ends before that."""
    ready, told = os.pipe()
    lifeline, held = os.pipe()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "meshsim.proxy", *arguments,
        "--ready-fd", str(told), "--lifeline-fd", str(lifeline), pass_fds=(told, lifeline, *fds),
    )  # fmt: skip
    os.close(told)
    os.close(lifeline)
    line = await asyncio.to_thread(_line_of, ready)
    if not line:
        await process.wait()
        os.close(held)
        return None
    return Worker(process, json.loads(line), held)


def _line_of(fd: int) -> str:
    with os.fdopen(fd) as pipe:
        return pipe.readline()


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


Handler = Callable[[web.Request], Awaitable[web.Response]]


class FleetPages:
    """Admin and metrics pages made from the workers' own."""

    def __init__(
        self, workers: dict[int, Worker], session: aiohttp.ClientSession, drain: Drain, end: Callable[[], None]
    ) -> None:
        self._workers = workers
        self._session = session
        self._drainer = drain
        self._end = end

    def admin_app(self) -> web.Application:
        """Port 15000."""
        app = web.Application()
        one = ("/", "/help", "/listeners", "/config_dump", "/server_info", "/lag")
        app.add_routes([web.get(path, self._first(path)) for path in one])
        app.add_routes(
            [
                web.get("/ready", self._ready),
                web.get("/stats", self._stats),
                web.get("/stats/prometheus", self._stats),
                web.get("/clusters", self._clusters),
                web.put("/lag", self._lag),
                web.post("/drain_listeners", self._drain),
                web.post("/quitquitquit", self._quit),
            ]
        )
        return app

    def stats_app(self, queries: Queries) -> web.Application:
        """Port 15020."""
        app = web.Application()
        app.add_routes(queries.routes())
        app.add_routes(
            [
                web.get("/stats/prometheus", self._stats),
                web.get("/metrics", self._stats),
                web.get("/healthz/ready", self._ready),
            ]
        )
        return app

    async def _each(self, method: str, path: str) -> list[tuple[int, str]]:
        """What every worker answers; one that is just ending is left out."""

        async def ask(worker: Worker) -> tuple[int, str] | None:
            try:
                url = f"http://{worker.addresses['admin']}{path}"
                async with self._session.request(method, url) as reply:
                    return reply.status, await reply.text()
            except (aiohttp.ClientError, TimeoutError):
                return None

        answers = await asyncio.gather(*(ask(worker) for worker in list(self._workers.values())))
        return [answer for answer in answers if answer is not None]

    def _first(self, path: str) -> Handler:
        async def handler(_: web.Request) -> web.Response:
            answers = await self._each("GET", path)
            status, text = answers[0] if answers else (503, "no worker answers\n")
            kind = "application/json" if text.startswith("{") else "text/plain"
            return web.Response(text=text, status=status, content_type=kind)

        return handler

    async def _ready(self, _: web.Request) -> web.Response:
        answers = await self._each("GET", "/ready")
        worst = max(answers, default=(503, "PRE_INITIALIZING\n"))
        return web.Response(text=worst[1], status=worst[0])

    async def sample(self) -> Add:
        """The workers' counters, added up."""
        text = await self._merged_stats()
        return lambda history: history.add_text(text)

    async def _merged_stats(self) -> str:
        return merged([text for _, text in await self._each("GET", "/stats/prometheus")])

    async def _stats(self, _: web.Request) -> web.Response:
        return web.Response(body=(await self._merged_stats()).encode(), headers={"Content-Type": CONTENT_TYPE})

    async def _clusters(self, _: web.Request) -> web.Response:
        return web.Response(text=merged_clusters([text for _, text in await self._each("GET", "/clusters")]))

    async def _drain(self, request: web.Request) -> web.Response:
        self._drainer.begin(request.query)
        await self._each("POST", request.path_qs)
        return web.Response(text="OK\n")

    async def _lag(self, request: web.Request) -> web.Response:
        """What one worker says to it, all say."""
        if "Origin" in request.headers:
            return web.Response(status=403, text="not from a web page")
        answers = await self._each("PUT", request.path_qs)
        status, text = answers[0] if answers else (503, "no worker answers\n")
        return web.Response(status=status, text=text)

    async def _quit(self, _: web.Request) -> web.Response:
        self._end()
        return web.Response(text="OK\n")
