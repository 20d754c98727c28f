"""The dashboard's HTTP server: the page, and the stream that keeps it up to date."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from contextlib import suppress
from importlib.resources import files
from ssl import SSLContext
from typing import Final

from aiohttp import web

from meshsim.client.api import Api
from meshsim.dashboard.live import Live
from meshsim.dashboard.traffic import Traffic
from meshsim.kit.address import Address, cannot_listen
from meshsim.kit.bearer import knows
from meshsim.kit.clock import Clock, LoopClock
from meshsim.kit.foreign import foreign_reason

_SHUTDOWN_S: Final = 0.5
_PAGE: Final = {
    "": ("index.html", "text/html; charset=utf-8"),
    "app.js": ("app.js", "text/javascript; charset=utf-8"),
    "style.css": ("style.css", "text/css; charset=utf-8"),
    "icon.svg": ("icon.svg", "image/svg+xml"),
}
_HEADERS: Final = {
    "Cache-Control": "no-cache",
    "Content-Security-Policy": "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


class DashboardServer:
    """Serves the page of one API.

    `stats` are the addresses of the proxies' metrics, `allowed_hosts` further names that this machine is called by.
    Where there is a token, browsers ask a person for it, as the password of any user.
    """

    def __init__(
        self,
        api: Api,
        clock: Clock,
        stats: Iterable[str] = (),
        *,
        allowed_hosts: Collection[str] = (),
        token: str = "",
    ) -> None:
        self._allowed_hosts = allowed_hosts
        self._token = token
        self._live = Live(api, clock, Traffic(stats, LoopClock()))
        self._files: dict[str, tuple[bytes, str]] = {}
        self._runner: web.AppRunner | None = None

    async def listen(self, host: str, port: int, tls: SSLContext | None = None) -> str:
        """Start to serve; returns the `host:port` it serves at. Raises StartError when it cannot listen there."""
        self._files = await asyncio.to_thread(_read_page)
        app = web.Application(middlewares=[self._let_in])
        app.router.add_get("/live", self._stream)
        app.router.add_get("/healthz", _healthy)
        app.router.add_get("/{path:.*}", self._page)
        self._runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=_SHUTDOWN_S)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, host, port, ssl_context=tls).start()
        except OSError as error:
            raise cannot_listen(Address(host, port), error) from None
        address = self._runner.addresses[0]
        return f"{address[0]}:{address[1]}"

    async def close(self) -> None:
        """Close every page's stream and stop."""
        if self._runner is not None:
            await self._runner.cleanup()

    @web.middleware
    async def _let_in(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        headers = request.headers
        reason = foreign_reason(headers.get("Host", ""), headers.get("Origin", ""), self._allowed_hosts)
        if not reason and _is_embedded_elsewhere(headers):
            reason = "a page elsewhere may link here, and no more"
        if reason:
            raise web.HTTPForbidden(text=f"{reason}\n", headers=_HEADERS)
        if self._token and request.path != "/healthz" and not knows(self._token, headers.get("Authorization", "")):
            challenge = {"WWW-Authenticate": 'Basic realm="meshsim: the password is the token in the kubeconfig"'}
            raise web.HTTPUnauthorized(text="Sign in with the token.\n", headers=_HEADERS | challenge)
        return await handler(request)

    async def _page(self, request: web.Request) -> web.Response:
        found = self._files.get(request.match_info["path"])
        if found is None:
            raise web.HTTPNotFound(text="The dashboard has no such page.\n", headers=_HEADERS)
        body, content_type = found
        return web.Response(body=body, headers={**_HEADERS, "Content-Type": content_type})

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse(headers={**_HEADERS, "Content-Type": "text/event-stream"})
        await answer.prepare(request)
        with suppress(ConnectionError):  # A page that has gone is no failure.
            async for message in self._live.messages():
                await answer.write(b"data: " + message + b"\n\n")
        return answer


def _is_embedded_elsewhere(headers: Mapping[str, str]) -> bool:
    """Whether a page of another site loads this as a part of itself; browsers say so where they send no Origin."""
    return headers.get("Sec-Fetch-Site") == "cross-site" and headers.get("Sec-Fetch-Mode") != "navigate"


def _read_page() -> dict[str, tuple[bytes, str]]:
    static = files("meshsim.dashboard").joinpath("static")
    return {path: (static.joinpath(name).read_bytes(), content_type) for path, (name, content_type) in _PAGE.items()}


async def _healthy(_request: web.Request) -> web.Response:
    return web.Response(text="ok")
