import asyncio
from collections.abc import AsyncIterator

import aiohttp
import pytest
import pytest_asyncio

from meshsim.api.kinds import POD
from meshsim.api.meta import Key
from meshsim.apiserver.port_forward import PROTOCOL
from meshsim.apiserver.spdy import Closed, Data, Event, SpdyConnection
from meshsim.client.api import NotFoundError
from meshsim.client.http import HttpApi
from tests.kits.manifests import pod
from tests.kits.spdy import SpdyClient, control, data

pytestmark = [pytest.mark.integration, pytest.mark.asyncio]

A_POD = Key("default", "web-1-a")
POD_URL = "/api/v1/namespaces/default/pods/web-1-a"


@pytest_asyncio.fixture
async def http(url: str) -> AsyncIterator[aiohttp.ClientSession]:
    """A bare HTTP client with the server's URL as its base."""
    async with aiohttp.ClientSession(url, timeout=aiohttp.ClientTimeout(total=10)) as session:
        yield session


@pytest_asyncio.fixture
async def port(api: HttpApi) -> AsyncIterator[int]:
    """A port of a running pod that answers with what it is sent, in capitals."""

    async def shout(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while sent := await reader.read(65536):
            writer.write(sent.upper())
        writer.close()

    async with await asyncio.start_server(shout, "127.0.0.1", 0) as server:
        await api.create(POD, pod())
        status = {"status": {"phase": "Running", "podIP": "127.0.0.1"}}
        await api.patch(POD, A_POD, status, subresource="status")
        yield server.sockets[0].getsockname()[1]


async def forward(http: aiohttp.ClientSession, *frames: bytes) -> list[Event]:
    """What comes back on streams 1 (errors) and 3 (data) until both have ended."""
    spdy, told = SpdyConnection(), list[Event]()
    async with http.ws_connect(f"{POD_URL}/portforward", protocols=[PROTOCOL]) as socket:
        for frame in frames:
            await socket.send_bytes(frame)
        while Closed(1, reset=False) not in told or Closed(3, reset=False) not in told:
            async with asyncio.timeout(5):
                # Accepted streams are none of the events of a server's end.
                told += spdy.receive(await socket.receive_bytes())
    return told


def streams(port: int) -> list[bytes]:
    client = SpdyClient()
    return [
        client.open(1 + 2 * i, streamtype=kind, port=str(port), requestid="0")
        for i, kind in enumerate(("error", "data"))
    ]


async def test_what_a_client_sends_reaches_the_pod_and_its_answer_the_client(
    http: aiohttp.ClientSession, port: int
) -> None:
    told = await forward(http, *streams(port), data(3, b"hello "), data(3, b"pod", flags=1))
    assert b"".join(event.data for event in told if isinstance(event, Data) and event.stream == 3) == b"HELLO POD"
    assert not any(isinstance(event, Data) and event.stream == 1 for event in told), "nothing went wrong"


async def test_a_port_where_nothing_listens_is_said(http: aiohttp.ClientSession, port: int) -> None:
    [error] = [event for event in await forward(http, *streams(1)) if isinstance(event, Data)]
    assert error.stream == 1
    assert error.data.startswith(b"cannot reach port 1")


async def test_a_client_that_speaks_nonsense_is_hung_up_on(http: aiohttp.ClientSession, port: int) -> None:
    for frames in (control(1, b"\0" * 20), b"\xff" * 100):
        async with http.ws_connect(f"{POD_URL}/portforward", protocols=[PROTOCOL]) as socket:
            await socket.send_bytes(frames)
            async with asyncio.timeout(5):
                assert (await socket.receive()).type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED)


async def test_a_pod_that_does_not_run_has_no_ports(api: HttpApi, http: aiohttp.ClientSession) -> None:
    await api.create(POD, pod())
    async with http.get(f"{POD_URL}/portforward") as reply:
        assert (reply.status, (await reply.json())["message"]) == (400, "pod web-1-a does not run yet")


async def test_an_evicted_pod_ends_gracefully(api: HttpApi, http: aiohttp.ClientSession, port: int) -> None:
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "web-1-a"}}
    async with http.post(f"{POD_URL}/eviction", json=eviction) as reply:
        assert (reply.status, (await reply.json())["status"]) == (201, "Success")
    assert (await api.get(POD, A_POD))["metadata"]["deletionGracePeriodSeconds"] == 30
    now = eviction | {"deleteOptions": {"gracePeriodSeconds": 0}}
    async with http.post(f"{POD_URL}/eviction", json=now) as reply:
        assert reply.status == 201
    with pytest.raises(NotFoundError):
        await api.get(POD, A_POD)
    async with http.post(f"{POD_URL}/eviction", json=eviction) as reply:
        assert reply.status == 404
