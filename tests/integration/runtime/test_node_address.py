"""At which address the API server reaches a node."""

import aiohttp
import pytest

from meshsim.api.decode import Object
from meshsim.api.kinds import NODE
from meshsim.api.meta import Key
from meshsim.apiserver.pods.nodes import kubelet_url
from meshsim.client.api import ApiError
from meshsim.client.http import HttpApi
from tests.kits.apiserver import running_apiserver
from tests.kits.eventually import eventually
from tests.kits.processes import serving

pytestmark = [pytest.mark.integration, pytest.mark.asyncio]


async def registered(api: HttpApi) -> Object:
    async def node() -> Object:
        found = await api.get(NODE, Key("", "meshsim"))
        assert kubelet_url(found)
        return found

    return await eventually(node, ignoring=(ApiError,))


@pytest.mark.parametrize(
    ("flags", "address"),
    [
        (("--host", "127.0.0.1"), "127.0.0.1"),
        (("--host", "127.0.0.3"), "127.0.0.3"),
        (("--host", "0.0.0.0"), "127.0.0.1"),
        (("--host", "0.0.0.0", "--node-ip", "127.0.0.4"), "127.0.0.4"),
    ],
)
async def test_a_node_says_where_the_api_server_reaches_it(flags: tuple[str, ...], address: str) -> None:
    async with running_apiserver() as server, HttpApi(server.url) as api:
        with serving("meshsim.runtime", "--api", server.url, "--port", "0", *flags):
            node = await registered(api)
            assert node["status"]["addresses"][0] == {"type": "InternalIP", "address": address}
            async with aiohttp.ClientSession() as session, session.get(f"{kubelet_url(node)}/healthz") as reply:
                assert (reply.status, reply.url.host) == (200, address)
