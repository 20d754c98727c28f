"""What goes wrong upstream, and what a client is told."""

import asyncio
import contextlib
import socket
import struct
import time
from collections import Counter

import pytest

from meshsim.kit.clock import LoopClock
from meshsim.kit.tasks import TaskOwner
from meshsim.mesh.endpoints import UNKNOWN
from meshsim.mesh.identity import Role
from meshsim.proxy.settings import Settings
from meshsim.telemetry.istio import RequestMetrics, SeriesKey
from tests.kits.dataplane import Proxy, Received, Upstream, app, ok, proxying, vs
from tests.kits.eventually import eventually

pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_factories=["uvloop"])]

_ABORT = "fault: {abort: {httpStatus: 418, percentage: {value: 100}}}\n"
_TO_APP = "route: [{destination: {host: app.test}}]\n"


async def _unused_port() -> int:
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    port: int = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    return port


def _keys(proxy: Proxy) -> list[SeriesKey]:
    return list(proxy.engine.metrics._series)


async def test_a_refused_connection_is_tried_twice_more_by_default() -> None:
    async with proxying(app(await _unused_port())) as proxy:
        reply = await proxy.ask()
        assert (reply.status, reply.body[-60:]) == (
            503,
            b"retried and the latest reset reason: remote connection failure"[-60:],
        )
        assert proxy.engine.clusters["outbound|80||app.test"].rq_total == 3
        (key,) = _keys(proxy)
        assert (key.status, key.flags, key.reporters) == (503, "URX,UF", ("source",))


async def test_another_endpoint_is_found_when_one_refuses_also_for_a_post() -> None:
    async with Upstream() as upstream, proxying(app(await _unused_port(), upstream)) as proxy:
        client = await proxy.client()
        replies = [await client.ask(method=method, body=b"abc") for method in ("GET", "POST") * 10]
        assert {reply.status for reply in replies} == {200}
        assert len(upstream.received) == 20
        assert {received.body for received in upstream.received} == {b"abc"}


async def test_a_request_that_may_have_been_delivered_is_not_sent_again() -> None:
    async with Upstream(lambda _: None) as upstream, proxying(app(upstream)) as proxy:
        reply = await proxy.ask(method="POST", body=b"x")
        assert (reply.status, reply.body[-22:]) == (503, b"connection termination")
        assert len(upstream.received) == 1


async def test_unless_the_route_asks_for_it() -> None:
    def first_fails(received: Received) -> bytes | None:
        return ok(received.body) if received.connection > 2 else None

    rule = vs("  - retries: {attempts: 3, retryOn: reset, backoff: 1ms}\n    " + _TO_APP)
    async with Upstream(first_fails) as upstream, proxying(app(upstream), rule) as proxy:
        reply = await proxy.ask(method="POST", body=b"again")
        assert (reply.status, reply.body) == (200, b"again")
        counts = [received.headers["x-envoy-attempt-count"] for received in upstream.received]
        assert counts == ["1", "2", "3"]


async def test_a_body_too_long_to_keep_is_not_sent_again() -> None:
    rule = vs("  - retries: {attempts: 3, retryOn: 5xx, backoff: 1ms}\n    " + _TO_APP)
    async with Upstream(lambda _: ok(b"no", status=b"503 X")) as upstream, proxying(app(upstream), rule) as proxy:
        assert (await proxy.ask(method="POST", body=b"x" * 1_100_000)).status == 503
        assert len(upstream.received) == 1
        assert (await proxy.ask(method="POST", body=b"x" * 1_000_000)).status == 503
        assert len(upstream.received) == 5


@pytest.mark.parametrize(
    "answer",
    [
        b"hello world\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: abc\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 101 + b"\r\n",
        b"HTTP/2 200\r\n\r\n",
        b"HTTP/1.1 20 OK\r\n\r\n",
    ],
)
async def test_an_answer_that_is_no_http_is_a_502(answer: bytes) -> None:
    async with Upstream(lambda _: answer) as upstream, proxying(app(upstream)) as proxy:
        reply = await proxy.ask()
        assert (reply.status, reply.body[-14:]) == (502, b"protocol error")
        await eventually(lambda: upstream.open == 0)


_MEASURED = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nabc"
_CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n"


@pytest.mark.parametrize("begun", [_MEASURED, _CHUNKED], ids=["measured", "chunked"])
async def test_a_response_that_is_cut_is_cut_for_the_client_too(begun: bytes) -> None:
    async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(begun)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(cut, "127.0.0.1", 0)
    async with proxying(app(server.sockets[0].getsockname()[1])) as proxy:
        client = await proxy.client()
        with pytest.raises((asyncio.IncompleteReadError, ConnectionResetError)):
            await client.ask()
    server.close()


async def test_a_surplus_after_the_answer_is_nobodys_and_ends_the_connection() -> None:
    async with Upstream(lambda _: ok() + b"HTTP/1.1 200 OK\r\n\r\n") as upstream, proxying(app(upstream)) as proxy:
        client = await proxy.client()
        for _ in range(3):
            assert (await client.ask()).body == b"ok"
        assert upstream.connections == 3


async def test_a_kept_connection_that_the_upstream_closed_while_idle_fails_nobody() -> None:
    async with Upstream() as upstream, proxying(app(upstream)) as proxy:
        client = await proxy.client()
        for _ in range(5):
            assert (await client.ask()).status == 200
            upstream.close_connections()
            await eventually(lambda: not any(host.idle for host in proxy.engine.clusters["outbound|80||app.test"]))
        assert upstream.connections == 5


async def test_a_client_that_leaves_is_seen_by_the_upstream_at_once() -> None:
    async with Upstream(lambda _: b"") as upstream, proxying(app(upstream)) as proxy:
        client = await proxy.client()
        client.writer.write(b"GET / HTTP/1.1\r\nhost: app.test\r\n\r\n")
        await eventually(lambda: upstream.received)
        client.writer.transport.abort()
        await eventually(lambda: not proxy.engine.clusters["outbound|80||app.test"].connections)
        assert [(key.status, key.flags) for key in _keys(proxy)] == [(0, "DC")]


@pytest.mark.parametrize("head", [b"HTTP/1.1 2", b"HTTP/1.1 200 OK\r\ncontent-le", b"HTTP/1.1 200 OK\r\na: b\r\n"])
async def test_a_head_that_is_cut_by_the_end_of_its_connection_is_a_502(head: bytes) -> None:
    async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(head)
        writer.close()

    server = await asyncio.start_server(cut, "127.0.0.1", 0)
    async with server, proxying(app(server.sockets[0].getsockname()[1])) as proxy:
        reply = await proxy.ask()
        assert (reply.status, reply.body[-14:]) == (502, b"protocol error")
        # Nothing of the connection is left for the next request.
        assert (await proxy.ask()).status == 502
        (cluster,) = proxy.engine.clusters.values()
        assert (cluster.active, cluster.connections) == (0, 0)


@pytest.mark.parametrize("is_reset", [False, True])
async def test_a_client_that_leaves_is_seen_although_its_upstream_reads_nothing_of_its_upload(is_reset: bool) -> None:
    taken: list[asyncio.StreamWriter] = []

    async def take_nothing(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        taken.append(writer)
        writer.transport.pause_reading()  # type: ignore[attr-defined] # a server's transport reads, too

    server = await asyncio.start_server(take_nothing, "127.0.0.1", 0)
    async with server, proxying(app(server.sockets[0].getsockname()[1])) as proxy:
        client = await proxy.client()
        client.writer.write(b"POST / HTTP/1.1\r\nhost: app.test\r\ncontent-length: 100000000\r\n\r\n")
        while not proxy.engine.departures.watched:
            client.writer.write(bytes(16 * 1024))
            # What is sent is read before more is, so that nothing is on its way when the client leaves.
            await LoopClock().sleep(0.001)
        if is_reset:
            opened = client.writer.get_extra_info("socket")
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.writer.transport.abort()
        await eventually(lambda: not proxy.engine.connections)
        (cluster,) = proxy.engine.clusters.values()
        await eventually(lambda: (cluster.active, cluster.connections) == (0, 0))
        for writer in taken:
            writer.transport.abort()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()


async def test_a_timeout_is_a_504_and_counts_every_attempt() -> None:
    rule = vs(
        "  - timeout: 1s\n    retries: {attempts: 5, retryOn: 5xx, perTryTimeout: 400ms, backoff: 1ms}\n    " + _TO_APP
    )
    async with Upstream(lambda _: b"") as upstream, proxying(app(upstream), rule) as proxy:
        started = time.monotonic()
        reply = await proxy.ask()
        assert (reply.status, reply.body) == (504, b"upstream request timeout")
        assert 0.99 <= time.monotonic() - started <= 5
        assert len(upstream.received) == 3
        assert upstream.received[0].headers["x-envoy-expected-rq-timeout-ms"] == "400"


async def test_tries_that_all_take_too_long_are_a_504() -> None:
    rule = vs("  - retries: {attempts: 1, retryOn: 5xx, perTryTimeout: 100ms, backoff: 1ms}\n    " + _TO_APP)
    async with Upstream(lambda _: b"") as upstream, proxying(app(upstream), rule) as proxy:
        assert (await proxy.ask()).status == 504
        assert len(upstream.received) == 2
        assert {key.flags for key in _keys(proxy)} == {"URX,UT"}


async def test_slow_heads_are_cut_and_so_are_idle_connections() -> None:
    settings = Settings(header_timeout_s=0.05, idle_timeout_s=0.1)
    async with Upstream() as upstream, proxying(app(upstream), settings=settings) as proxy:
        silent, slow, idle = [await proxy.client() for _ in range(3)]
        slow.writer.write(b"GET / HTTP/1.1\r\nhost:")
        assert (await slow.reply()).status == 408
        assert (await idle.ask()).status == 200
        for client in (silent, slow, idle):
            assert await client.is_closed()


@pytest.mark.parametrize("side", ["request", "response"])
async def test_a_body_that_stands_still_is_cut(side: str) -> None:
    settings = Settings(body_timeout_s=0.05)
    async with Upstream(lambda _: _MEASURED) as upstream, proxying(app(upstream), settings=settings) as proxy:
        client = await proxy.client()
        if side == "request":
            client.writer.write(b"POST / HTTP/1.1\r\nhost: app.test\r\ncontent-length: 9\r\n\r\nabc")
            assert (await client.reply()).status == 408
        else:
            with pytest.raises((asyncio.IncompleteReadError, ConnectionResetError)):
                await client.ask()
        assert await client.is_closed()


async def test_more_connections_than_allowed_are_closed() -> None:
    async with Upstream() as upstream, proxying(app(upstream), settings=Settings(max_connections=1)) as proxy:
        first, second = await proxy.client(), await proxy.client()
        assert await second.is_closed()
        assert (await first.ask()).status == 200
        assert proxy.engine.connections_refused == 1


async def test_no_endpoint_no_cluster_no_route() -> None:
    rule = vs(
        "  - match: [{uri: {prefix: /none}}]\n    route: [{destination: {host: empty.test}}]\n"
        "  - match: [{uri: {prefix: /missing}}]\n    route: [{destination: {host: nosuch.test}}]\n"
    )
    async with proxying(app(name="empty.test"), rule) as proxy:
        client = await proxy.client()
        replies = [await client.ask(target) for target in ("/none", "/missing", "/other")]
        assert [(reply.status, reply.body) for reply in replies] == [
            (503, b"no healthy upstream"),
            (503, b""),
            (404, b""),
        ]
        assert [key.flags for key in _keys(proxy)] == ["UH", "NC", "NR"]
        assert {key.workload.name for key in _keys(proxy)} == {UNKNOWN}


def _policy(spec: str) -> str:
    return (
        "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: d}\n"
        f"spec: {{host: app.test, trafficPolicy: {{{spec}}}}}"
    )


@pytest.mark.parametrize(
    ("pool", "passed"),
    [
        ("{tcp: {maxConnections: 1}, http: {http1MaxPendingRequests: 1}}", range(1, 4)),
        ("{http: {http2MaxRequests: 2}}", range(2, 3)),
        ("{tcp: {maxConnections: 1}}", range(6, 7)),
    ],
)
async def test_what_is_over_a_clusters_limits_is_refused_at_once(pool: str, passed: range) -> None:
    async def slowly(_: Received) -> bytes:
        await asyncio.sleep(0.05)  # noqa: TID251 - an upstream that takes its time
        return ok()

    async with Upstream(slowly) as upstream, proxying(app(upstream), _policy(f"connectionPool: {pool}")) as proxy:
        replies = await asyncio.gather(*(proxy.ask() for _ in range(6)))
        counts = Counter(reply.status for reply in replies)
        assert counts[200] in passed
        assert counts[200] + counts[503] == 6
        refused = [reply for reply in replies if reply.status == 503]
        assert all(reply.headers["x-envoy-overloaded"] == "true" for reply in refused)
        assert all(reply.body.endswith(b"reset reason: overflow") for reply in refused)


async def test_a_connection_is_used_as_often_as_its_limit_says() -> None:
    policy = _policy("connectionPool: {http: {maxRequestsPerConnection: 2}}")
    async with Upstream() as upstream, proxying(app(upstream), policy) as proxy:
        client = await proxy.client()
        for _ in range(6):
            assert (await client.ask()).status == 200
        assert upstream.connections == 3


async def test_an_ejected_endpoint_gets_nothing_until_it_returns() -> None:
    healthy = False

    def sick(_: Received) -> bytes:
        return ok(b"sick") if healthy else ok(b"", status=b"500 X")

    policy = _policy(
        "loadBalancer: {simple: ROUND_ROBIN}, outlierDetection: {consecutive5xxErrors: 2, interval: 300ms,"
        " baseEjectionTime: 200ms, maxEjectionPercent: 100}"
    )
    async with (
        Upstream(sick) as one,
        Upstream() as other,
        proxying(app(one, other), policy) as proxy,
        TaskOwner() as tasks,
    ):
        tasks.start(proxy.engine.sweep(), "sweep")
        client = await proxy.client()
        statuses = [(await client.ask()).status for _ in range(20)]
        assert statuses.count(500) == 2
        healthy = True

        async def returned() -> bool:
            return (await client.ask()).body == b"sick"

        await eventually(returned)


async def test_a_mirror_gets_copies_and_changes_nothing_for_the_client() -> None:
    async def hangs(_: Received) -> bytes:
        await asyncio.sleep(0.2)  # noqa: TID251 - an upstream that takes its time
        return ok(b"", status=b"500 X")

    rule = vs("  - mirror: {host: mirror.test}\n    " + _TO_APP)
    async with Upstream() as upstream, Upstream(hangs) as mirror:
        services = (app(upstream), app(mirror, name="mirror.test"))
        async with proxying(*services, rule) as proxy:
            started = time.monotonic()
            reply = await proxy.ask("/m", method="POST", body=b"abc")
            assert (reply.status, reply.body) == (200, b"ok")
            assert time.monotonic() - started < 0.15
            await eventually(lambda: mirror.received)
            copy = mirror.received[0]
            assert (copy.body, copy.headers["x-envoy-internal"]) == (b"abc", "true")
            assert copy.headers["x-request-id"] == upstream.received[0].headers["x-request-id"]
            assert [key.reporters for key in _keys(proxy)] == [("source", "destination")]
            await eventually(lambda: any(key.reporters == ("destination",) for key in _keys(proxy)))
        proxy_without_mirror = app(upstream), app(await _unused_port(), name="mirror.test"), rule
        async with proxying(*proxy_without_mirror) as proxy:
            assert (await proxy.ask()).status == 200


async def test_an_answer_of_the_proxys_own_is_as_readable_across_origins_as_the_upstreams() -> None:
    rule = (
        "    corsPolicy: {allowOrigins: [{exact: 'https://a.test'}], exposeHeaders: [x-e]}\n"
        "    route: [{destination: {host: nosuch.test}}]\n"
    )
    async with Upstream() as upstream, proxying(app(upstream), vs(f"  -{rule[3:]}")) as proxy:
        reply = await proxy.ask("/", "origin: https://a.test")
        assert reply.status == 503
        assert reply.headers["access-control-allow-origin"] == "https://a.test"
        assert reply.headers["access-control-expose-headers"] == "x-e"
        proxy.publish(app(upstream), vs(f"  - {_ABORT}{rule}"))
        reply = await proxy.ask("/", "origin: https://a.test")
        assert reply.status == 418
        assert "access-control-allow-origin" not in reply.headers


async def test_an_aborted_request_counts_for_the_service_that_it_was_for() -> None:
    async with Upstream() as upstream, proxying(app(upstream), vs(f"  - {_ABORT}    {_TO_APP}")) as proxy:
        assert (await proxy.ask()).status == 418
        (key,) = _keys(proxy)
        assert (key.service.host, key.workload.name, key.reporters) == ("app.test", UNKNOWN, ("source",))


@pytest.mark.parametrize(
    ("role", "service"),
    [(Role.SIDECAR, ("app.test", "PassthroughCluster")), (Role.GATEWAY, (UNKNOWN, UNKNOWN))],
)
async def test_a_host_that_nobody_knows_counts_by_its_name_at_a_sidecar_only(role: Role, service: object) -> None:
    async with proxying(role=role) as proxy:
        await proxy.ask()
        (key,) = _keys(proxy)
        assert (key.service.host, key.service.name) == service


async def test_invented_hosts_do_not_fill_the_memory() -> None:
    metrics = RequestMetrics()
    services = {metrics.outside(f"h{number}", f"h{number}") for number in range(5000)}
    assert len(services) < 1100
