"""Which pages the admin and the metrics port have: Envoy's, as far as people and dashboards use them."""

from typing import Final, Protocol

from meshsim.proxy.own_pages.pages import Ask, Handler, Page, Site
from meshsim.proxy.own_pages.queries import Queries

_HELP: Final = """admin commands are:
  /clusters: upstream cluster status
  /config_dump: dump current configuration
  /drain_listeners (POST): drain listeners
  /healthcheck/fail (POST): cause the server to fail health checks
  /healthcheck/ok (POST): cause the server to pass health checks
  /help: print out list of admin commands
  /listeners: print listener info
  /quitquitquit (POST): exit the server
  /ready: print server state, return 200 if LIVE, otherwise return 503
  /reset_counters (POST): reset all counters to zero
  /server_info: print server version/status information
  /stats: print server stats
  /stats/prometheus: print server stats in prometheus format
"""


class Speaker(Protocol):
    """Who speaks for a proxy: its one process, or the parent of several."""

    async def ready(self, ask: Ask) -> Page:
        """Whether it serves."""

    async def stats(self, ask: Ask) -> Page:
        """Its metrics."""

    async def clusters(self, ask: Ask) -> Page:
        """Its hosts and how they do."""

    async def listeners(self, ask: Ask) -> Page:
        """Where it listens."""

    async def config_dump(self, ask: Ask) -> Page:
        """What is in force."""

    async def server_info(self, ask: Ask) -> Page:
        """What it is."""

    async def lag(self, ask: Ask) -> Page:
        """How late it takes in changes."""

    async def change_lag(self, ask: Ask) -> Page:
        """Take them in that late from now on: `?vs=2s`."""

    async def drain_listeners(self, ask: Ask) -> Page:
        """Stop taking connections."""

    async def fail_health(self, ask: Ask) -> Page:
        """Be unready."""

    async def mend_health(self, ask: Ask) -> Page:
        """Be ready again."""

    async def reset_counters(self, ask: Ask) -> Page:
        """Count anew."""

    async def quit(self, ask: Ask) -> Page:
        """End."""


def admin_site(speaker: Speaker) -> Site:
    """Port 15000."""
    return {
        "/": {"GET": _help},
        "/help": {"GET": _help},
        "/ready": {"GET": speaker.ready},
        "/stats": {"GET": speaker.stats},
        "/stats/prometheus": {"GET": speaker.stats},
        "/clusters": {"GET": speaker.clusters},
        "/listeners": {"GET": speaker.listeners},
        "/config_dump": {"GET": speaker.config_dump},
        "/server_info": {"GET": speaker.server_info},
        "/lag": {"GET": speaker.lag, "PUT": _for_programs(speaker.change_lag)},
        "/drain_listeners": {"POST": _for_programs(speaker.drain_listeners)},
        "/healthcheck/fail": {"POST": _for_programs(speaker.fail_health)},
        "/healthcheck/ok": {"POST": _for_programs(speaker.mend_health)},
        "/reset_counters": {"POST": _for_programs(speaker.reset_counters)},
        "/quitquitquit": {"POST": _for_programs(speaker.quit)},
    }


def stats_site(speaker: Speaker, queries: Queries) -> Site:
    """Port 15020."""
    return {
        "/stats/prometheus": {"GET": speaker.stats},
        "/metrics": {"GET": speaker.stats},
        "/healthz/ready": {"GET": speaker.ready},
        "/api/v1/query": {"GET": queries.query, "POST": queries.query},
        "/api/v1/query_range": {"GET": queries.query_range, "POST": queries.query_range},
        "/api/v1/labels": {"GET": queries.labels, "POST": queries.labels},
        "/api/v1/label/*/values": {"GET": queries.label_values},
        "/api/v1/series": {"GET": queries.series, "POST": queries.series},
        "/api/v1/metadata": {"GET": queries.metadata},
        "/api/v1/status/buildinfo": {"GET": queries.build},
    }


async def _help(_: Ask) -> Page:
    return Page.text(_HELP)


def _for_programs(act: Handler) -> Handler:
    """A page that changes something: one in somebody's browser must not be able to ask for it."""

    async def handler(ask: Ask) -> Page:
        if ask.fields.values(b"origin"):
            return Page.text("not from a web page", 403)
        return await act(ask)

    return handler
