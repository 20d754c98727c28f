"""Integration tests of the sample application, over real sockets and as a process."""

import asyncio
import sys
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web

from meshsim.kit.chance import draws
from meshsim.kit.clock import LoopClock
from meshsim.sample.app import Fault, SampleApp, color_of
from tests.kits.eventually import eventually
from tests.kits.processes import serving

pytestmark = pytest.mark.asyncio


class Client:
    """Calls one running sample."""

    def __init__(self, app: SampleApp, session: aiohttp.ClientSession) -> None:
        self.app = app
        self.session = session

    async def get(self, path: str, **headers: str) -> tuple[int, Any, str]:
        async with self.session.get(path, headers=headers) as answer:
            return answer.status, answer.headers, await answer.text()

    async def post(self, path: str) -> tuple[int, Any]:
        async with self.session.post(path) as answer:
            return answer.status, await answer.json()


@pytest_asyncio.fixture
async def client() -> AsyncIterator[Client]:
    app = SampleApp("v2", "orange", Fault(), LoopClock(), draws(1))
    runner = web.AppRunner(app.routes())
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    async with aiohttp.ClientSession(f"http://{host}:{port}") as session:
        yield Client(app, session)
    await runner.cleanup()


async def test_an_answer_names_the_version_and_its_colour(client: Client) -> None:
    status, headers, body = await client.get("/any/path")
    assert (status, headers["x-version"]) == (200, "v2")
    assert body == '{"version": "v2", "color": "orange", "path": "/any/path"}'


async def test_a_browser_gets_a_page_in_that_colour(client: Client) -> None:
    _, headers, body = await client.get("/", accept="text/html,*/*")
    assert headers["content-type"].startswith("text/html")
    assert "background:orange" in body


async def test_faults_are_set_and_shown_and_spare_the_health_check(client: Client) -> None:
    assert await client.post("/fault?error=100%25&latency=1ms") == (200, {"error": 1.0, "latency": 0.001})
    assert (await client.get("/"))[0] == 500
    assert (await client.get("/healthz"))[0] == 200
    assert (await client.get("/fault"))[2] == '{"error": 1.0, "latency": 0.001}'
    await client.post("/fault")
    assert (await client.get("/"))[0] == 200


@pytest.mark.parametrize("query", ["error=often", "latency=-1s", "latency=fast", "latency=1h"])
async def test_a_fault_that_makes_no_sense_is_refused_and_changes_nothing(client: Client, query: str) -> None:
    status, body = await client.post(f"/fault?{query}")
    assert (status, list(body)) == (400, ["error"])
    assert client.app.fault == Fault()


async def test_requests_are_counted_by_version_and_code(client: Client) -> None:
    await client.get("/")
    await client.post("/fault?error=1")
    await client.get("/")
    _, _, text = await client.get("/metrics")
    assert 'http_requests_total{code="200",version="v2"} 1.0' in text
    assert 'http_requests_total{code="500",version="v2"} 1.0' in text
    assert 'http_request_duration_seconds_count{version="v2"} 2.0' in text


async def test_versions_that_follow_each_other_have_different_colours() -> None:
    colors = [color_of(f"v{number}") for number in range(1, 7)]
    assert len(set(colors)) == 6
    assert color_of("stable") == color_of("stable")


async def test_a_sample_that_is_told_to_end_serves_on_for_a_moment_and_closes_connections() -> None:
    environment = {"VERSION": "v3", "PORT": "0", "LATENCY": "10ms"}
    with serving("meshsim.sample", "--drain", "1s", environment=environment) as served:
        async with aiohttp.ClientSession(f"http://{served.addresses['sample']}") as session:

            async def connection() -> str:
                async with session.get("/") as answer:
                    assert answer.headers["x-version"] == "v3"
                    return answer.headers.get("connection", "keep-alive")

            assert await connection() == "keep-alive"
            served.process.terminate()
            await eventually(lambda: is_close(connection()))
        assert await asyncio.to_thread(served.process.wait, 5) == 0


async def is_close(connection: Any) -> bool:
    return bool(await connection == "close")


async def test_a_sample_that_cannot_start_says_so_in_a_sentence() -> None:
    for arguments, code, sentence in (
        (("--error", "often"), 2, b'Error: "often" is no share: write 5% or 0.05\n'),
        (("--host", "192.0.2.1"), 5, b"Error: cannot listen on 192.0.2.1:0"),
    ):
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "meshsim.sample", "--port", "0", *arguments, stderr=asyncio.subprocess.PIPE
        )
        _, told = await process.communicate()
        assert (process.returncode, told.startswith(sentence)) == (code, True)
