"""An HTTP server on a free port that answers what a test says, for providers of metrics to ask."""

from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self

from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Answers:
    """Serves every path and method with one handler and remembers what was asked."""

    def __init__(self, handler: Handler) -> None:
        self.asked: list[str] = []
        """`GET /path?query`, in order."""
        self.headers: list[dict[str, str]] = []
        self.bodies: list[bytes] = []
        self._handler = handler
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)

    @property
    def url(self) -> str:
        """Where it serves."""
        host, port = self._runner.addresses[0][:2]
        return f"http://{host}:{port}"

    async def __aenter__(self) -> Self:
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._runner.cleanup()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(f"{request.method} {request.path_qs}")
        self.headers.append(dict(request.headers))
        self.bodies.append(await request.read())
        return await self._handler(request)


def always(body: str, status: int = 200, **headers: str) -> Handler:
    """The same answer to everything."""

    async def handler(_request: web.Request) -> web.StreamResponse:
        return web.Response(text=body, status=status, headers=headers)

    return handler
