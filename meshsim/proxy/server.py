"""A proxy process: opens its ports, follows its configuration, drains when told to stop."""

import asyncio
import contextlib
import signal
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from meshsim.api.lag import Lags
from meshsim.client.connection import Source
from meshsim.kit.address import Address, cannot_listen
from meshsim.kit.heap import building_to_stay
from meshsim.kit.plane import Plane
from meshsim.kit.tasks import TaskOwner
from meshsim.mesh.compile import ProxySpec
from meshsim.mesh.endpoints import Workload
from meshsim.proxy.configuration.configuration import Publisher, warn
from meshsim.proxy.configuration.files import FileSource
from meshsim.proxy.configuration.sources import ApiSource
from meshsim.proxy.downstream import Downstream
from meshsim.proxy.engine import Engine
from meshsim.proxy.log_writer import LogWriter
from meshsim.proxy.own_pages.admin import Admin
from meshsim.proxy.own_pages.drain import Drain
from meshsim.proxy.own_pages.pages import serve_site
from meshsim.proxy.own_pages.queries import EngineSampler, Queries
from meshsim.proxy.own_pages.sites import admin_site, stats_site
from meshsim.proxy.settings import Settings
from meshsim.telemetry.accesslog import json_line, text_line

_BACKLOG: Final = 1024
_SAMPLE_EVERY_S: Final = 1.0
LISTEN_SIGNAL: Final = signal.SIGUSR1
"""Tells a proxy that stands by to take connections."""


@dataclass(frozen=True, slots=True)
class ProxyOptions:
    """Everything a proxy is started with. `listeners` are in the order of `spec.listeners`."""

    spec: ProxySpec
    settings: Settings
    listeners: tuple[Address, ...]
    admin: Address
    stats: Address
    configuration: Source | Path
    """The API to follow, or files."""
    seed: int | None = None
    access_log: str = ""
    workers: int = 1
    listen_fds: tuple[int, ...] = ()
    """Sockets that a parent opened for the listeners, in their order."""
    stands_by: bool = False
    """It takes no connections before it is told to."""
    lag: Mapping[str, float] = field(default_factory=dict)
    """How late what the API says becomes known, in seconds on the cluster's clock, by hop."""


class ProxyServer:
    """The parts of a proxy, wired."""

    def __init__(self, options: ProxyOptions, plane: Plane) -> None:
        self._options = options
        self._plane = plane
        self._lags = Lags(options.lag)

    async def run(self) -> None:
        """Serve until the plane stops. Raises StartError for a busy port or an unreadable file."""
        options = self._options
        async with contextlib.AsyncExitStack() as stack:
            tasks = await stack.enter_async_context(TaskOwner(_told))
            engine = Engine(
                options.settings,
                tasks,
                seed=options.seed,
                sidecar=_own_workload(options),
                trusted_proxies=options.spec.mesh.trusted_proxies,
            )
            if options.access_log:
                writer = stack.enter_context(LogWriter())
                line = json_line() if options.access_log == "json" else text_line()
                engine.access_log = lambda context: writer.write(line(context))
            publisher = Publisher(options.spec, engine.publish, tasks, building_to_stay)
            configured = await self._follow(stack, tasks, publisher)
            servers = [await self._listen(engine, index) for index in range(len(options.listeners))]
            bound = [server.sockets[0].getsockname() for server in servers]
            listeners = {f"{ip}_{port}": f"{ip}:{port}" for ip, port in bound}
            drain = Drain(engine.tell_to_close, lambda: _close(servers), options.settings.drain_timeout_s)
            admin = Admin(engine, listeners, self._lags, drain, self._plane.stopping.set)
            queries = Queries(EngineSampler(engine), _SAMPLE_EVERY_S)
            admin_address = await serve_site(stack, tasks, admin_site(admin), options.admin, "admin")
            stats_address = await serve_site(stack, tasks, stats_site(admin, queries), options.stats, "stats")
            tasks.start(queries.run(), "history of metrics")
            tasks.start(engine.sweep(), "sweep")
            tasks.start(publisher.resolve_again(), "resolve again")
            may_listen = asyncio.Event()
            if options.stands_by:
                engine.loop.add_signal_handler(LISTEN_SIGNAL, may_listen.set)
            else:
                may_listen.set()
            tasks.start(_live_once(configured, admin, servers, may_listen), "become live")
            self._plane.ready(
                {
                    "traffic": f"{bound[0][0]}:{bound[0][1]}",
                    "admin": admin_address,
                    "stats": stats_address,
                    **{
                        f"listener/{spec.number}": f"{ip}:{port}"
                        for spec, (ip, port) in zip(options.spec.listeners, bound, strict=True)
                        if spec.number is not None
                    },
                }
            )
            await self._plane.stopping.wait()
            await self._drain(servers, engine)

    async def _follow(
        self, stack: contextlib.AsyncExitStack, tasks: TaskOwner, publisher: Publisher
    ) -> Callable[[], Awaitable[None]]:
        """Start following the configuration; what is returned waits until there is one."""
        options = self._options
        if isinstance(options.configuration, Path):
            files = FileSource(options.configuration, publisher.changed_together, warn)
            publisher.follow(files.objects)
            tasks.start(files.follow(), "follow files")
            return files.synced
        from meshsim.client.http import HttpApi  # noqa: PLC0415 - a third of the memory of a proxy that follows files

        api = await stack.enter_async_context(HttpApi(options.configuration, user_agent="meshsim-proxy"))
        source = ApiSource(api, publisher.changed, warn, self._lags, self._plane.clock)
        source.start(tasks)
        publisher.follow(source.objects)
        return source.synced

    async def _listen(self, engine: Engine, index: int) -> asyncio.Server:
        options = self._options
        if options.listen_fds:
            opened = socket.socket(fileno=options.listen_fds[index])
            return await engine.loop.create_server(
                lambda: Downstream(engine, index),
                sock=opened,
                backlog=_BACKLOG,
                # The others serve meanwhile, and what they know this one has still to be told.
                start_serving=isinstance(options.configuration, Path) and not options.stands_by,
            )
        address = options.listeners[index]
        try:
            return await engine.loop.create_server(
                lambda: Downstream(engine, index), address.host, address.port, backlog=_BACKLOG, reuse_address=True
            )
        except OSError as error:
            raise cannot_listen(address, error) from None

    async def _drain(self, servers: list[asyncio.Server], engine: Engine) -> None:
        _close(servers)
        engine.drain()
        for number in (signal.SIGTERM, signal.SIGINT):
            # A second one ends the wait.
            engine.loop.add_signal_handler(number, engine.drained.set)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._options.settings.drain_timeout_s):
                await engine.drained.wait()
        engine.close()


async def _live_once(
    configured: Callable[[], Awaitable[None]],
    admin: Admin,
    servers: Sequence[asyncio.Server],
    may_listen: asyncio.Event,
) -> None:
    await configured()
    admin.is_live = True
    await may_listen.wait()
    for server in servers:
        # A drain may have closed it.
        if server.sockets:
            await server.start_serving()


def _close(servers: list[asyncio.Server]) -> None:
    for server in servers:
        server.close()


def _own_workload(options: ProxyOptions) -> Workload:
    labels, namespace = options.spec.proxy.labels, options.spec.proxy.namespace
    app = labels.get("app", "")
    if not app:
        return Workload(namespace=namespace)
    version = labels.get("version", "")
    return Workload(app, namespace, app, version or "unknown", app, version or "latest")


def _told(name: str, error: Exception) -> None:
    warn(f"{name} failed: {error!r}")
