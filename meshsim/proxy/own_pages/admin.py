"""A proxy of one process speaks for itself."""

import time
from collections.abc import Callable
from typing import Final

from meshsim import __version__
from meshsim.api.lag import PROXY_HOPS, Lags, lag_of
from meshsim.kit.errors import UsageError
from meshsim.proxy.engine import Engine
from meshsim.proxy.own_pages.config_dump import config_dump
from meshsim.proxy.own_pages.drain import Drain
from meshsim.proxy.own_pages.pages import Ask, Page
from meshsim.proxy.own_pages.stats import prometheus
from meshsim.proxy.own_pages.statuses import clusters_page, clusters_text, listeners_data, wants_json
from meshsim.telemetry.exposition import CONTENT_TYPE

DONE: Final = Page.text("OK\n")


class Admin:
    """What the pages are made from; `drain` and `end` act on the process."""

    def __init__(
        self, engine: Engine, listeners: dict[str, str], lags: Lags, drain: Drain, end: Callable[[], None]
    ) -> None:
        self._engine = engine
        self._listeners = listeners
        self._lags = lags
        self._drain = drain
        self._end = end
        self._started = time.monotonic()
        self.is_live = False

    @property
    def state(self) -> str:
        """LIVE, DRAINING or PRE_INITIALIZING."""
        if self._engine.is_draining or self._engine.health_is_failed:
            return "DRAINING"
        return "LIVE" if self.is_live else "PRE_INITIALIZING"

    async def ready(self, _: Ask) -> Page:
        return Page.text(f"{self.state}\n", 200 if self.state == "LIVE" else 503)

    async def stats(self, _: Ask) -> Page:
        return Page(prometheus(self._engine), kind=CONTENT_TYPE)

    async def clusters(self, ask: Ask) -> Page:
        return clusters_page(clusters_text(self._engine), ask)

    async def listeners(self, ask: Ask) -> Page:
        if wants_json(ask):
            return Page.json(listeners_data(self._listeners))
        return Page.text("".join(f"{name}::{address}\n" for name, address in self._listeners.items()))

    async def config_dump(self, _: Ask) -> Page:
        return Page.json(config_dump(self._engine, self._listeners))

    async def server_info(self, _: Ask) -> Page:
        return Page.json(
            {
                "version": f"meshsim/{__version__}",
                "state": self.state,
                "uptime_current_epoch": f"{int(time.monotonic() - self._started)}s",
            }
        )

    async def lag(self, _: Ask) -> Page:
        return Page.json(self._lags.of(PROXY_HOPS))

    async def change_lag(self, ask: Ask) -> Page:
        try:
            self._lags.set(lag_of(ask.query.items(), PROXY_HOPS))
        except UsageError as error:
            return Page.text(str(error), 400)
        return await self.lag(ask)

    async def drain_listeners(self, ask: Ask) -> Page:
        self._drain.begin(ask.query)
        return DONE

    async def fail_health(self, _: Ask) -> Page:
        self._engine.fail_health(is_failed=True)
        return DONE

    async def mend_health(self, _: Ask) -> Page:
        self._engine.fail_health(is_failed=False)
        return DONE

    async def reset_counters(self, _: Ask) -> Page:
        self._engine.reset_counters()
        return DONE

    async def quit(self, _: Ask) -> Page:
        self._end()
        return DONE
