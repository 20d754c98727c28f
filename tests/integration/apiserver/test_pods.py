import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web

from meshsim.api.kinds import NODE, POD, POD_DISRUPTION_BUDGET
from meshsim.api.meta import Key
from meshsim.apiserver.pods.port_forward import TUNNELLED as PROTOCOL
from meshsim.apiserver.pods.spdy import Closed, Data, Event, SpdyConnection
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


@asynccontextmanager
async def serving_node(api: HttpApi, *pages: web.RouteDef) -> AsyncIterator[None]:
    """A node with these pages, known to the API until the block ends."""
    app = web.Application()
    app.add_routes(pages)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    await api.create(NODE, {"metadata": {"name": "meshsim"}})
    addresses = [{"type": "InternalIP", "address": "127.0.0.1"}]
    status = {"addresses": addresses, "daemonEndpoints": {"kubeletEndpoint": {"Port": runner.addresses[0][1]}}}
    await api.patch(NODE, Key("", "meshsim"), {"status": status}, subresource="status")
    try:
        yield
    finally:
        await runner.cleanup()


@pytest_asyncio.fixture
async def port(api: HttpApi) -> AsyncIterator[int]:
    """The one port of a running pod, which answers with what it is sent, in capitals. Only its node reaches it."""

    async def connect(request: web.Request) -> web.StreamResponse:
        if request.query["port"] != "8080":
            return web.Response(status=502, headers={"X-Refused": "connection%20refused"})
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        while sent := await socket.receive_bytes():
            await socket.send_bytes(sent.upper())
        await socket.close()
        return socket

    await api.create(POD, pod())
    status = {"status": {"phase": "Running", "podIP": "203.0.113.1"}}
    await api.patch(POD, A_POD, status, subresource="status")
    async with serving_node(api, web.get("/portForward/default/web-1-a", connect)):
        yield 8080


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
    assert error.data == b"cannot reach port 1: connection refused"


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


@pytest_asyncio.fixture
async def node(api: HttpApi) -> AsyncIterator[None]:
    """A node that runs the pod, whose containers have printed something and go on when they are followed."""

    async def logs(request: web.Request) -> web.StreamResponse:
        if request.match_info["container"] == "side":
            return web.Response(status=400, text='previous terminated container "side" not found\n')
        answer = web.StreamResponse()
        await answer.prepare(request)
        await answer.write(f"first of {request.match_info['pod']}, {dict(request.query)}\n".encode())
        if "follow" in request.query:
            await gone.wait()
        return answer

    async def metrics(_request: web.Request) -> web.Response:
        labels = 'container="web",pod="web-1-a",namespace="default"'
        used = time.monotonic() / 2
        return web.Response(
            text=f"container_cpu_usage_seconds_total{{{labels}}} {used}\n"
            f"container_memory_working_set_bytes{{{labels}}} 2048\n"
        )

    gone = asyncio.Event()
    pages = (web.get("/containerLogs/{namespace}/{pod}/{container}", logs), web.get("/metrics", metrics))
    async with serving_node(api, *pages):
        body = pod()
        body["spec"]["containers"].append({"name": "side", "image": "side:v1"})
        await api.create(POD, body)
        yield
        gone.set()


async def test_logs_come_from_the_node_as_they_are_asked_for(http: aiohttp.ClientSession, node: None) -> None:
    async with http.get(f"{POD_URL}/log?container=web&tailLines=5") as reply:
        assert (reply.status, reply.content_type) == (200, "text/plain")
        assert await reply.text() == "first of web-1-a, {'tailLines': '5'}\n"


async def test_a_followed_log_comes_line_by_line(http: aiohttp.ClientSession, node: None) -> None:
    async with http.get(f"{POD_URL}/log?container=web&follow=true") as reply:
        async with asyncio.timeout(5):
            assert b"first of" in await reply.content.readline()


async def test_what_pods_and_nodes_use_is_measured(http: aiohttp.ClientSession, node: None) -> None:
    metrics = "/apis/metrics.k8s.io/v1beta1"
    async with http.get(f"{metrics}/namespaces/default/pods?labelSelector=app%3Dweb") as reply:
        [measured] = (await reply.json())["items"]
    [container] = measured["containers"]
    assert container["usage"]["memory"] == "2Ki"
    cores = int(container["usage"]["cpu"].removesuffix("n")) / 1e9
    assert 0.3 < cores < 0.7, "it counts half a second each second"
    async with http.get(f"{metrics}/nodes/meshsim") as reply:
        assert (await reply.json())["kind"] == "NodeMetrics"
    for path, code in (("/pods", 200), ("/namespaces/default/pods/none", 404), ("/cats", 404), ("/nodes/none", 404)):
        async with http.get(metrics + path) as reply:
            assert reply.status == code
    async with http.post(f"{metrics}/nodes", json={}) as reply:
        assert reply.status == 405


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("", "a container name must be specified for pod web-1-a, choose one of: [web side]"),
        ("?container=none", "container none is not valid for pod web-1-a"),
        ("?container=side&previous=true", 'previous terminated container "side" not found'),
    ],
)
async def test_a_log_that_is_not_there_is_refused_in_a_sentence(
    http: aiohttp.ClientSession, node: None, query: str, message: str
) -> None:
    async with http.get(f"{POD_URL}/log{query}") as reply:
        assert (reply.status, (await reply.json())["message"]) == (400, message)


async def test_a_node_that_is_gone_is_named(api: HttpApi, http: aiohttp.ClientSession) -> None:
    await api.create(POD, pod())
    async with http.get(f"{POD_URL}/log") as reply:
        assert (reply.status, (await reply.json())["message"]) == (404, 'nodes "meshsim" not found')
    await api.create(NODE, {"metadata": {"name": "meshsim"}})
    async with http.get(f"{POD_URL}/log") as reply:
        assert (reply.status, (await reply.json())["reason"]) == (503, "ServiceUnavailable")
    endpoint = {"daemonEndpoints": {"kubeletEndpoint": {"Port": 1}}}
    status = {"addresses": [{"type": "InternalIP", "address": "127.0.0.1"}], **endpoint}
    await api.patch(NODE, Key("", "meshsim"), {"status": status}, subresource="status")
    async with http.get(f"{POD_URL}/log") as reply:
        assert reply.status == 503
        assert "the node meshsim cannot be reached" in (await reply.json())["message"]


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


async def test_a_pod_that_a_budget_needs_is_not_evicted(api: HttpApi, http: aiohttp.ClientSession) -> None:
    await api.create(POD, pod())
    ready = {"status": {"conditions": [{"type": "Ready", "status": "True"}]}}
    await api.patch(POD, A_POD, ready, subresource="status")
    spec = {"minAvailable": 1, "selector": {"matchLabels": {"app": "web"}}}
    await api.create(POD_DISRUPTION_BUDGET, {"metadata": {"name": "web", "namespace": "default"}, "spec": spec})
    async with http.post(f"{POD_URL}/eviction", json={"kind": "Eviction"}) as reply:
        status = await reply.json()
        assert (reply.status, status["reason"]) == (429, "TooManyRequests")
    assert status["details"]["causes"][0]["reason"] == "DisruptionBudget"
    assert "deletionTimestamp" not in (await api.get(POD, A_POD))["metadata"]
