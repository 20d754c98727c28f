"""Pages that every plane has: opening a port for an application, metrics, health, lag."""

import contextlib
from collections.abc import Callable, Collection, Iterable
from typing import Final

from aiohttp import web

from meshsim.api.lag import Lags, lag_of
from meshsim.kit.address import Address, cannot_listen
from meshsim.kit.errors import UsageError
from meshsim.telemetry.exposition import CONTENT_TYPE, Sample, exposition

_SHUTDOWN_S: Final = 0.5


async def serve_pages(stack: contextlib.AsyncExitStack, app: web.Application, address: Address, name: str = "") -> str:
    """Serve until the stack closes; returns `host:port`. Raises StartError for a busy port."""
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=_SHUTDOWN_S)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    site = web.TCPSite(runner, address.host, address.port)
    try:
        await site.start()
    except OSError as error:
        raise cannot_listen(address, error, f" ({name})" if name else "") from None
    ip, port = runner.addresses[0][:2]
    return f"{ip}:{port}"


def metrics_routes(samples: Callable[[], Iterable[Sample]]) -> list[web.RouteDef]:
    """`/metrics`, asked of `samples` at each scrape, and `/healthz`."""

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=exposition(samples()), headers={"Content-Type": CONTENT_TYPE})

    async def healthz(_: web.Request) -> web.Response:
        return web.Response(text="ok")

    return [web.get("/metrics", metrics), web.get("/healthz", healthz)]


def lag_routes(lags: Lags, hops: Collection[str]) -> list[web.RouteDef]:
    """`GET /lag`, and `PUT /lag?endpoints=3s`: the hops that are named lag that much from now on."""

    async def show(_: web.Request) -> web.Response:
        return web.json_response(lags.of(hops))

    async def change(request: web.Request) -> web.Response:
        if "Origin" in request.headers:
            # A page in somebody's browser must not be able to do this.
            return web.Response(status=403, text="not from a web page")
        try:
            lags.set(lag_of(request.query.items(), hops))
        except UsageError as error:
            return web.Response(status=400, text=str(error))
        return await show(request)

    return [web.get("/lag", show), web.put("/lag", change)]
