from collections.abc import AsyncIterator

import pytest_asyncio

from meshsim.apiserver.server import api_server
from meshsim.client.http import HttpApi
from meshsim.kit.clock import LoopClock


@pytest_asyncio.fixture
async def url() -> AsyncIterator[str]:
    """The URL of an API server of the test's own, in memory."""
    async with api_server(LoopClock()) as server:
        yield f"http://{await server.listen('127.0.0.1', 0)}"


@pytest_asyncio.fixture
async def api(url: str) -> AsyncIterator[HttpApi]:
    """A client of it."""
    async with HttpApi(url) as api:
        yield api
