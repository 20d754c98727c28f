"""Whatever is sent, the API answers with what was asked for or with a Status that says why not: never with a 500."""

import asyncio

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshsim.apiserver.server import api_server
from meshsim.kit.clock import LoopClock
from tests.kits.rest_requests import GOOD, Request, collection_of, good_ones, requests
from tests.kits.rest_search import ask

pytestmark = pytest.mark.property


@given(st.lists(requests(), min_size=1, max_size=8))
def test_no_request_makes_the_api_fail(sent: list[Request]) -> None:
    asyncio.run(send(sent))


async def send(sent: list[Request]) -> None:
    async with api_server(LoopClock()) as server:
        address = await server.listen("127.0.0.1", 0)
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20)) as session:
            for request in [*good_ones(), *sent]:
                await ask(session, f"http://{address}", request)
            # Whatever was stored by all that can still be listed, in every form.
            for obj in GOOD:
                for accept in ("application/json", "application/json;as=Table;v=v1;g=meta.k8s.io"):
                    listed = Request("GET", collection_of(obj), {}, {"Accept": accept})
                    assert await ask(session, f"http://{address}", listed) == 200
