"""The admin and metrics ports: Envoy's pages, as far as people and dashboards use them."""

import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

from aiohttp import web

from meshsim import __version__
from meshsim.proxy.config_dump import config_dump
from meshsim.proxy.drain import Drain
from meshsim.proxy.engine import Engine
from meshsim.proxy.queries import Queries
from meshsim.proxy.stats import clusters_text, prometheus
from meshsim.telemetry.exposition import CONTENT_TYPE

_HELP: Final = """admin commands are:
  /clusters: upstream cluster status
  /config_dump: dump current configuration
  /drain_listeners (POST): drain listeners
  /help: print out list of admin commands
  /listeners: print listener info
  /quitquitquit (POST): exit the server
  /ready: print server state, return 200 if LIVE, otherwise return 503
  /server_info: print server version/status information
  /stats: print server stats
  /stats/prometheus: print server stats in prometheus format
"""

Act = Callable[[], None]


class Admin:
    """What the pages are made from; `drain` and `end` act on the process."""

    def __init__(self, engine: Engine, listeners: dict[str, str], drain: Drain, end: Act) -> None:
        self._engine = engine
        self._listeners = listeners
        self._drain = drain
        self._end = end
        self._started = time.monotonic()
        self.is_live = False

    @property
    def state(self) -> str:
        """LIVE, DRAINING or PRE_INITIALIZING."""
        if self._engine.is_draining:
            return "DRAINING"
        return "LIVE" if self.is_live else "PRE_INITIALIZING"

    def admin_app(self) -> web.Application:
        """Port 15000."""
        app = web.Application()
        app.add_routes(
            [
                web.get("/", _text(lambda: _HELP)),
                web.get("/help", _text(lambda: _HELP)),
                web.get("/ready", self._ready),
                web.get("/stats", self._stats),
                web.get("/stats/prometheus", self._stats),
                web.get("/clusters", _text(lambda: clusters_text(self._engine))),
                web.get("/listeners", _text(self._listener_lines)),
                web.get("/config_dump", _json(lambda: config_dump(self._engine, self._listeners))),
                web.get("/server_info", _json(self._server_info)),
                web.post("/drain_listeners", self._begin_drain),
                web.post("/quitquitquit", self._acting(self._end)),
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

    async def _ready(self, _: web.Request) -> web.Response:
        return web.Response(text=f"{self.state}\n", status=200 if self.state == "LIVE" else 503)

    async def _stats(self, _: web.Request) -> web.Response:
        return web.Response(body=prometheus(self._engine), headers={"Content-Type": CONTENT_TYPE})

    def _listener_lines(self) -> str:
        return "".join(f"{name}::{address}\n" for name, address in self._listeners.items())

    def _server_info(self) -> dict[str, Any]:
        return {
            "version": f"meshsim/{__version__}",
            "state": self.state,
            "uptime_current_epoch": f"{int(time.monotonic() - self._started)}s",
        }

    async def _begin_drain(self, request: web.Request) -> web.Response:
        self._drain.begin(request.query)
        return web.Response(text="OK\n")

    @staticmethod
    def _acting(act: Act) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def handler(_: web.Request) -> web.Response:
            act()
            return web.Response(text="OK\n")

        return handler


def _text(page: Callable[[], str]) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def handler(_: web.Request) -> web.Response:
        return web.Response(text=page())

    return handler


def _json(page: Callable[[], Any]) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def handler(_: web.Request) -> web.Response:
        return web.json_response(page())

    return handler
