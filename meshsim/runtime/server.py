"""What the node serves itself: `/metrics` and `/healthz`."""

from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Self

from aiohttp import web

from meshsim.kit.errors import StartError
from meshsim.telemetry.exposition import CONTENT_TYPE, Sample, exposition


class NodeServer:
    """The HTTP server of the node process. Open it with `async with`, then `listen`."""

    def __init__(self, samples: Callable[[], Iterable[Sample]]) -> None:
        app = web.Application()

        async def metrics(_request: web.Request) -> web.Response:
            return web.Response(body=exposition(samples()), headers={"Content-Type": CONTENT_TYPE})

        async def healthz(_request: web.Request) -> web.Response:
            return web.Response(text="ok")

        app.router.add_get("/metrics", metrics)
        app.router.add_get("/healthz", healthz)
        self._runner = web.AppRunner(app, access_log=None)

    async def __aenter__(self) -> Self:
        await self._runner.setup()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._runner.cleanup()

    async def listen(self, host: str, port: int) -> str:
        """Serve at that address, port 0 for a free one; returns `host:port`. Raises StartError."""
        site = web.TCPSite(self._runner, host, port)
        try:
            await site.start()
        except OSError as error:
            raise StartError(f"cannot listen on {host}:{port}: {error.strerror or error}") from None
        address = self._runner.addresses[0]
        return f"{address[0]}:{address[1]}"
