"""The API server as a whole: what is stored, what is journalled, what listens."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager
from pathlib import Path
from ssl import SSLContext
from typing import Final, cast

from aiohttp import StreamReader, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http_parser import RawRequestMessage

from meshsim.apiserver.expiry import expire_events
from meshsim.apiserver.kinds.definitions import DEFINITION, kind_of
from meshsim.apiserver.kinds.schemas import load_schemas
from meshsim.apiserver.kinds.served import SERVED
from meshsim.apiserver.local import LocalApi
from meshsim.apiserver.registry import Registry
from meshsim.apiserver.requests.bodies import MAX_BODY_BYTES
from meshsim.apiserver.rest import Rest
from meshsim.apiserver.storage.journal import Journal
from meshsim.apiserver.storage.store import Store
from meshsim.kit.address import Address, cannot_listen
from meshsim.kit.chance import draws
from meshsim.kit.clock import Clock
from meshsim.kit.tasks import TaskOwner

_SHUTDOWN_S: Final = 1.0
_Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class ApiServer:
    """What serves one registry over HTTP; made by `api_server`."""

    def __init__(
        self,
        clock: Clock,
        registry: Registry,
        journal: Journal | None,
        *,
        allowed_hosts: Collection[str] = (),
        token: str = "",
    ) -> None:
        self.registry = registry
        self._clock = clock
        self._journal = journal
        self._rest = Rest(registry, self._settled, allowed_hosts=allowed_hosts, token=token)
        self.local = LocalApi(registry, self._settled)
        """The same API for what runs in this process."""
        self._runner: web.ServerRunner | None = None

    async def listen(self, host: str, port: int, tls: SSLContext | None = None) -> str:
        """Start to serve; returns the `host:port` it serves at. Raises StartError when it cannot listen there."""
        # One handler for all paths: an application with its router would cost more than some of the verbs.
        server = web.Server(
            cast(_Handler, self._rest.handle),
            request_factory=_request,
            handler_cancellation=True,
            access_log=None,
            keepalive_timeout=600,
            auto_decompress=False,
        )
        self._runner = web.ServerRunner(server, shutdown_timeout=_SHUTDOWN_S)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, host, port, ssl_context=tls).start()
        except OSError as error:
            raise cannot_listen(Address(host, port), error) from None
        address = self._runner.addresses[0]
        return f"{address[0]}:{address[1]}"

    async def close(self) -> None:
        """End the watches and answer what is under way."""
        self._rest.close()
        if self._runner is not None:
            await self._runner.cleanup()

    async def _settled(self) -> None:
        if self._journal is not None:
            await self._journal.durable()
        # One turn of the loop: the watchers that the write woke have their say before the writer's answer.
        # Clients that act on the answer while their cache is behind it do wrong things.
        await self._clock.sleep(0)


@asynccontextmanager
async def api_server(
    clock: Clock,
    data_dir: Path | None = None,
    *,
    allowed_hosts: Collection[str] = (),
    token: str = "",
    seed: int | None = None,
) -> AsyncIterator[ApiServer]:
    """An API server, closed at the end; without a data directory it keeps everything in memory.

    With a seed the names that it generates repeat.
    Requests by the name of another machine are refused, unless it is one of the allowed hosts, and so are, where
    there is a token, those that don't present it.

    Raises StartError when the directory cannot be used.
    """
    # Reading the disk may take its time.
    await asyncio.to_thread(load_schemas, SERVED)
    journal = await asyncio.to_thread(Journal, data_dir) if data_dir is not None else None
    try:
        store = await asyncio.to_thread(_stored, journal, clock) if journal is not None else _empty_store(clock)
        registry = Registry(store, clock.now, draws(), seed)
        server = ApiServer(clock, registry, journal, allowed_hosts=allowed_hosts, token=token)
        if journal is not None:
            await journal.durable()
        async with TaskOwner() as tasks:
            tasks.start(expire_events(server.registry, clock), "expire events")
            try:
                yield server
            finally:
                await server.close()
    finally:
        if journal is not None:
            await journal.close()


def _request(
    message: RawRequestMessage,
    payload: StreamReader,
    protocol: web.RequestHandler,
    writer: AbstractStreamWriter,
    task: "asyncio.Task[None]",
) -> web.Request:
    return web.Request(
        message, payload, protocol, writer, task, asyncio.get_running_loop(), client_max_size=MAX_BODY_BYTES
    )


def _empty_store(clock: Clock) -> Store:
    return Store(SERVED, int(clock.now() * 1000))


def _stored(journal: Journal, clock: Clock) -> Store:
    store = Store(SERVED, max(journal.first_version, int(clock.now() * 1000)), log=journal.log)
    journal.serve(store)
    kept = list(journal.load())
    for resource, obj in kept:
        if resource == DEFINITION.resource and obj["metadata"]["name"] not in {kind.resource for kind in SERVED}:
            store.serve(kind_of(obj))
    kinds = {kind.resource: kind for kind in store.kinds}
    for resource, obj in kept:
        if resource in kinds:
            store.restore(kinds[resource], obj)
    return store
