import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web

from meshsim.api.kinds import POD, ROLLOUT
from meshsim.api.meta import Key
from meshsim.dashboard.server import DashboardServer
from meshsim.kit.clock import LoopClock
from tests.kits.api import InProcessApi
from tests.kits.manifests import pod, rollout

pytestmark = [pytest.mark.integration, pytest.mark.asyncio]

WEB = Key("default", "web")


@pytest.fixture
def api() -> InProcessApi:
    """The objects that the page shows."""
    return InProcessApi()


@pytest_asyncio.fixture
async def stats() -> AsyncIterator[str]:
    """The metrics of a proxy that answers a request more at each scrape."""
    scrapes = 0

    async def metrics(_request: web.Request) -> web.Response:
        nonlocal scrapes
        scrapes += 1
        labels = 'reporter="source",destination_version="v1",response_code="200"'
        return web.Response(text=f"istio_requests_total{{{labels}}} {scrapes}\n")

    app = web.Application()
    app.router.add_get("/stats/prometheus", metrics)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}/stats/prometheus"
    await runner.cleanup()


@pytest_asyncio.fixture
async def page(api: InProcessApi, stats: str) -> AsyncIterator[aiohttp.ClientSession]:
    """A browser without a screen."""
    server = DashboardServer(api, LoopClock(), [stats])
    address = await server.listen("127.0.0.1", 0)
    async with aiohttp.ClientSession(f"http://{address}", timeout=aiohttp.ClientTimeout(total=10)) as session:
        yield session
    await server.close()


async def message(reply: aiohttp.ClientResponse, kind: str) -> Any:
    """The next message of a kind."""
    async with asyncio.timeout(5):
        async for line in reply.content:
            if line.startswith(b"data: "):
                told = json.loads(line[6:])
                if told["kind"] == kind:
                    return told
    raise AssertionError(f"the stream ended without a {kind}")


@pytest.mark.parametrize(
    ("path", "content_type"),
    [("/", "text/html"), ("/app.js", "text/javascript"), ("/style.css", "text/css"), ("/icon.svg", "image/svg+xml")],
)
async def test_the_page_and_its_parts_are_served(page: aiohttp.ClientSession, path: str, content_type: str) -> None:
    async with page.get(path) as reply:
        assert (reply.status, reply.content_type) == (200, content_type)
        assert "default-src 'self'" in reply.headers["Content-Security-Policy"]
        assert "frame-ancestors 'none'" in reply.headers["Content-Security-Policy"]
        assert reply.headers["X-Content-Type-Options"] == "nosniff"
        assert reply.headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert await reply.read()


@pytest.mark.parametrize("path", ["/nothing", "/../server.py", "/static/index.html"])
async def test_nothing_else_is_served(page: aiohttp.ClientSession, path: str) -> None:
    async with page.get(path) as reply:
        assert reply.status == 404


async def test_an_open_page_is_told_what_is_there_and_what_changes(
    api: InProcessApi, page: aiohttp.ClientSession
) -> None:
    await api.create(ROLLOUT, rollout())
    async with page.get("/live") as reply:
        there = await message(reply, "Rollout")
        assert (there["type"], there["object"]["metadata"]["name"]) == ("ADDED", "web")
        await api.patch(ROLLOUT, WEB, {"status": {"phase": "Paused"}}, subresource="status")
        changed = await message(reply, "Rollout")
        assert (changed["type"], changed["object"]["status"]) == ("MODIFIED", {"phase": "Paused"})
        await api.create(POD, pod())
        assert (await message(reply, "Pod"))["type"] == "ADDED"
        await api.delete(ROLLOUT, WEB)
        assert (await message(reply, "Rollout"))["type"] == "DELETED"


async def test_an_open_page_is_told_the_time_and_the_traffic(page: aiohttp.ClientSession) -> None:
    async with page.get("/live") as reply:
        assert (await message(reply, "Clock"))["now"] > 0
        traffic = await message(reply, "Traffic")
    assert traffic["versions"]["v1"]["rps"] > 0
    assert traffic["versions"]["v1"]["errors"] == 0


async def test_a_page_of_another_site_gets_nothing(page: aiohttp.ClientSession) -> None:
    embedding = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}
    for headers in ({"Host": "evil.com"}, {"Origin": "https://evil.com"}, {"Origin": "null"}, embedding):
        async with page.get("/live", headers=headers) as reply:
            assert reply.status == 403
            assert "Access-Control-Allow-Origin" not in reply.headers
    linking = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    async with page.get("/", headers=linking) as reply:
        assert reply.status == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_nothing_is_changed_through_it(page: aiohttp.ClientSession, method: str) -> None:
    for path in ("/", "/live", "/api/v1/pods", "/healthz"):
        async with page.request(method, path) as reply:
            assert reply.status == 405
