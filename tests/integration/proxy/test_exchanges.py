"""Requests and responses through a proxy, over real sockets."""

import asyncio
import re

import pytest

from meshsim.mesh.identity import Role
from meshsim.proxy.settings import Settings
from tests.kits.dataplane import Received, Upstream, app, ok, proxying, vs
from tests.kits.eventually import eventually

pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_factories=["uvloop"])]


async def test_a_request_and_its_response_pass_with_their_bodies() -> None:
    async with Upstream(lambda received: ok(received.body, b"X-Mine: 1")) as upstream, proxying(app(upstream)) as proxy:
        reply = await proxy.ask("/a?b=c", "X-Thing: 2", method="POST", body=b"hello")
        assert (reply.status, reply.body, reply.headers["x-mine"]) == (200, b"hello", "1")
        (received,) = upstream.received
        assert received.head.startswith("POST /a?b=c HTTP/1.1\r\nhost: app.test\r\nx-thing: 2\r\n")


async def test_connections_are_kept_on_both_sides() -> None:
    async with Upstream() as upstream, proxying(app(upstream)) as proxy:
        client = await proxy.client()
        for _ in range(5):
            assert (await client.ask()).status == 200
        assert upstream.connections == 1


async def test_pipelined_requests_are_answered_in_order() -> None:
    async def later(received: Received) -> bytes:
        if "/slow" in received.head:
            await asyncio.sleep(0.05)  # noqa: TID251 - an upstream that takes its time
        return ok(received.head.split(" ")[1].encode())

    async with Upstream(later) as upstream, proxying(app(upstream)) as proxy:
        client = await proxy.client()
        paths = ("/slow", "/a", "/b")
        client.writer.write(b"".join(b"GET %b HTTP/1.1\r\nhost: app.test\r\n\r\n" % p.encode() for p in paths))
        assert [(await client.reply()).body for _ in paths] == [b"/slow", b"/a", b"/b"]


async def test_bodies_in_chunks_pass_both_ways() -> None:
    chunked = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n4;x\r\ndefg\r\n0\r\nT: 1\r\n\r\n"
    async with Upstream(lambda _: chunked) as upstream, proxying(app(upstream)) as proxy:
        client = await proxy.client()
        client.writer.write(b"POST / HTTP/1.1\r\nhost: app.test\r\ntransfer-encoding: chunked\r\n\r\n3\r\nab")
        await client.writer.drain()
        client.writer.write(b"c\r\n2\r\nde\r\n0\r\n\r\n")
        reply = await client.reply()
        assert (reply.body, reply.headers["transfer-encoding"]) == (b"abcdefg", "chunked")
        assert upstream.received[0].body == b"abcde"
        assert (await client.ask()).status == 200
        assert upstream.connections == 1


async def test_a_body_that_ends_with_its_connection_is_chunked_and_the_client_stays() -> None:
    async def until_close(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\nabc")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(until_close, "127.0.0.1", 0)
    async with proxying(app(server.sockets[0].getsockname()[1])) as proxy:
        client = await proxy.client()
        for _ in range(2):
            reply = await client.ask()
            assert (reply.body, reply.headers["transfer-encoding"]) == (b"abc", "chunked")
    server.close()


@pytest.mark.parametrize(("method", "status"), [("HEAD", b"200 OK"), ("GET", b"204 No Content"), ("GET", b"304 X")])
async def test_responses_without_a_body_are_followed_by_the_next(method: str, status: bytes) -> None:
    bare = b"HTTP/1.1 " + status + (b"\r\ncontent-length: 3" if method == "HEAD" else b"") + b"\r\n\r\n"
    behaviour = lambda received: bare if "/bare" in received.head else ok()  # noqa: E731
    async with Upstream(behaviour) as upstream, proxying(app(upstream)) as proxy:
        client = await proxy.client()
        reply = await client.ask("/bare", method=method)
        assert reply.status == int(status[:3])
        assert reply.headers.get("content-length") == ("3" if method == "HEAD" else None)
        assert (await client.ask()).body == b"ok"


async def test_a_large_body_streams_both_ways() -> None:
    large = b"x" * 3_000_000
    async with Upstream(lambda received: ok(received.body)) as upstream, proxying(app(upstream)) as proxy:
        reply = await proxy.ask(method="POST", body=large)
        assert reply.body == large
        assert upstream.received[0].body == large


async def test_each_request_of_a_connection_is_split_anew_and_a_change_of_weights_is_in_force_at_once() -> None:
    def split(stable: int, canary: int) -> str:
        return vs(
            f"  - route:\n    - {{destination: {{host: stable.test}}, weight: {stable}}}\n"
            f"    - {{destination: {{host: canary.test}}, weight: {canary}}}\n"
        )

    async with Upstream(lambda _: ok(b"s")) as stable, Upstream(lambda _: ok(b"c")) as canary:
        services = (app(stable), app(stable, name="stable.test"), app(canary, name="canary.test"))
        async with proxying(*services, split(50, 50)) as proxy:
            client = await proxy.client()
            bodies = [(await client.ask()).body for _ in range(60)]
            assert 10 <= bodies.count(b"c") <= 50
            for weights, only in (((100, 0), b"s"), ((0, 100), b"c")):
                proxy.publish(*services, split(*weights))
                assert {(await client.ask()).body for _ in range(20)} == {only}
            assert len(stable.received) + len(canary.received) == 100


async def test_a_seed_repeats_the_split() -> None:
    both = vs(
        "  - route:\n    - {destination: {host: a.test}, weight: 50}\n    - {destination: {host: b.test}, weight: 50}\n"
    )
    async with Upstream(lambda _: ok(b"a")) as a, Upstream(lambda _: ok(b"b")) as b:
        runs = []
        for seed in (7, 7, 8):
            async with proxying(app(a), app(a, name="a.test"), app(b, name="b.test"), both, seed=seed) as proxy:
                client = await proxy.client()
                runs.append(b"".join([(await client.ask()).body for _ in range(40)]))
        assert runs[0] == runs[1] != runs[2]


_GATEWAY = (
    "apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {name: gw}\n"
    'spec: {servers: [{port: {number: 80, protocol: HTTP}, hosts: ["*"]}]}'
)


async def test_a_gateway_says_who_its_client_is_and_believes_nothing_the_client_says() -> None:
    rule = vs("  - route: [{destination: {host: app.test}}]\n").replace("hosts:", "gateways: [gw]\n  hosts:")
    async with Upstream() as upstream, proxying(app(upstream), _GATEWAY, rule, role=Role.GATEWAY) as proxy:
        reply = await proxy.ask(
            "/", "X-Forwarded-For: 1.2.3.4", "X-Forwarded-Proto: https", "X-Request-Id: mine", "X-Envoy-Retry-On: 5xx",
            "X-Envoy-Foo: kept", "X-Forwarded-Client-Cert: x", "Keep-Alive: 5",
        )  # fmt: skip
        headers = upstream.received[0].headers
        assert headers["x-forwarded-for"] == "1.2.3.4,127.0.0.1"
        assert headers["x-forwarded-proto"] == "http"
        assert headers["x-envoy-external-address"] == "127.0.0.1"
        assert headers["x-envoy-attempt-count"] == "1"
        assert headers["x-envoy-decorator-operation"] == "app.test:80/*"
        assert headers["x-envoy-foo"] == "kept"
        assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-a[0-9a-f]{3}-[0-9a-f]{12}", headers["x-request-id"])
        assert not {"x-envoy-retry-on", "x-forwarded-client-cert", "keep-alive"} & set(headers)
        assert reply.headers["server"] == "istio-envoy"
        assert "date" in reply.headers


async def test_a_sidecar_leaves_its_applications_headers_alone() -> None:
    async with (
        Upstream(lambda _: ok(b"", b"Server: mine", b"Date: then")) as upstream,
        proxying(app(upstream)) as proxy,
    ):
        reply = await proxy.ask("/", "X-Request-Id: abc", "X-Forwarded-For: 1.2.3.4")
        headers = upstream.received[0].headers
        assert (headers["x-request-id"], headers["x-forwarded-for"]) == ("abc", "1.2.3.4")
        assert headers["x-forwarded-proto"] == "http"
        assert "x-envoy-external-address" not in headers
        assert (reply.headers["server"], reply.headers["date"]) == ("envoy", "then")


async def test_the_plain_head_says_the_same_as_the_changed_one() -> None:
    rule = "  - match: [{{uri: {{prefix: /changed}}}}]\n    headers: {{request: {{set: {{x-op: '1'}}}}}}\n{0}  - {1}"
    to = "route: [{destination: {host: app.test}}]\n"
    both = vs(rule.format("    " + to, to))
    async with Upstream() as upstream, proxying(app(upstream), both) as proxy:
        for target in ("/plain", "/changed"):
            await proxy.ask(target, "X-Request-Id: abc", "A: b", "TE: trailers")
        plain, changed = (received.headers for received in upstream.received)
        assert changed.pop("x-op") == "1"
        plain.pop("x-envoy-decorator-operation")
        changed.pop("x-envoy-decorator-operation")
        assert list(plain.items()) == list(changed.items())


@pytest.mark.parametrize(
    ("method", "length"),
    [("POST", "0"), ("PUT", "0"), ("PATCH", "0"), ("OPTIONS", "0"), ("GET", None), ("DELETE", None), ("HEAD", None)],
)
async def test_a_method_that_means_a_body_says_when_it_has_none(method: str, length: str | None) -> None:
    rule = "  - match: [{uri: {prefix: /changed}}]\n    headers: {request: {set: {x-op: '1'}}}\n    "
    to = "route: [{destination: {host: app.test}}]\n"
    async with Upstream() as upstream, proxying(app(upstream), vs(rule + to + "  - " + to)) as proxy:
        for target in ("/plain", "/changed"):
            await proxy.ask(target, method=method)
        assert [received.headers.get("content-length") for received in upstream.received] == [length, length]


async def test_a_refusal_of_head_says_that_nothing_would_come_in_chunks() -> None:
    only = vs("  - match: [{uri: {prefix: /only}}]\n    route: [{destination: {host: app.test}}]\n")
    async with Upstream() as upstream, proxying(app(upstream), only) as proxy:
        refused = await proxy.ask("/other", method="HEAD")
        assert (refused.status, refused.headers.get("transfer-encoding")) == (404, "chunked")
        assert "content-length" not in refused.headers


async def test_expect_100_continue_is_the_upstreams_to_answer() -> None:
    async def careful(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = await reader.readexactly(3)
        writer.write(ok(body))
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(careful, "127.0.0.1", 0)
    async with proxying(app(server.sockets[0].getsockname()[1])) as proxy:
        client = await proxy.client()
        client.writer.write(b"POST / HTTP/1.1\r\nhost: app.test\r\nexpect: 100-continue\r\ncontent-length: 3\r\n\r\n")
        assert (await client.reply()).status == 100
        client.writer.write(b"abc")
        assert (await client.reply()).body == b"abc"
    server.close()


async def test_a_websocket_becomes_a_tunnel() -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        assert b"upgrade: websocket" in head
        writer.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nhi ")
        while data := await reader.read(100):
            writer.write(b"echo:" + data)
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    async with proxying(app(server.sockets[0].getsockname()[1])) as proxy:
        client = await proxy.client()
        client.writer.write(
            b"GET /ws HTTP/1.1\r\nhost: app.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhello"
        )
        reply = await client.reply()
        assert (reply.status, reply.headers["upgrade"]) == (101, "websocket")
        assert await client.reader.readexactly(13) == b"hi echo:hello"
        client.writer.write(b"more")
        assert await client.reader.readexactly(9) == b"echo:more"
        client.writer.close()
        await eventually(lambda: not proxy.engine.connections)
    server.close()


async def test_an_upstream_that_does_not_switch_ends_it_without_a_body() -> None:
    async with Upstream(lambda _: ok(b"no", b"x-a: 1")) as upstream, proxying(app(upstream)) as proxy:
        client = await proxy.client()
        reply = await client.ask("/", "connection: upgrade", "upgrade: websocket")
        assert (reply.status, reply.body, reply.headers["x-a"]) == (200, b"", "1")
        assert await client.is_closed()


async def test_an_offer_of_http_2_is_ignored() -> None:
    async with Upstream() as upstream, proxying(app(upstream)) as proxy:
        client = await proxy.client()
        reply = await client.ask("/", "connection: Upgrade, HTTP2-Settings", "upgrade: h2c", "http2-settings: AAM")
        assert reply.body == b"ok"
        assert not {"upgrade", "connection", "http2-settings"} & set(upstream.received[0].headers)
        assert (await client.ask()).status == 200


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.0\r\nhost: a\r\n\r\n", 426),
        (b"hello\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nhost: a/b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nhost : a\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: gzip\r\n\r\n", 501),
        (b"GET / HTTP/1.1\r\nhost: a\r\nx: " + b"y" * 62000 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\nhost: a\r\n" + b"x: y\r\n" * 100 + b"\r\n", 431),
        (b"POST /x HTTP/1.1\r\nhost: app.test\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n", 400),
        (b"GET / HTTP/1.1\r\nhost: app.test\r\nconnection: upgrade\r\nupgrade: foo\r\n\r\n", 403),
        (b"CONNECT app.test:80 HTTP/1.1\r\nhost: app.test:80\r\n\r\n", 404),
    ],
)
async def test_what_cannot_be_believed_is_refused_and_the_connection_closed(raw: bytes, status: int) -> None:
    async with Upstream() as upstream, proxying(app(upstream)) as proxy:
        client = await proxy.client()
        client.writer.write(raw)
        reply = await client.reply()
        assert (reply.status, reply.headers["connection"]) == (status, "close")
        assert await client.is_closed()
        assert upstream.received == []


async def test_a_head_means_the_same_however_it_is_cut() -> None:
    raw = b"POST /x HTTP/1.1\r\nhost: app.test\r\ncontent-length: 2\r\n\r\nab"
    async with Upstream() as upstream, proxying(app(upstream)) as proxy:
        client = await proxy.client()
        for byte in raw:
            client.writer.write(bytes((byte,)))
            await client.writer.drain()
        assert (await client.reply()).status == 200
        assert (upstream.received[0].head[:8], upstream.received[0].body) == ("POST /x ", b"ab")


async def test_http_1_0_is_served_when_allowed() -> None:
    settings = Settings(accepts_http10=True)
    chunked = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
    async with Upstream(lambda _: chunked) as upstream, proxying(app(upstream), settings=settings) as proxy:
        client = await proxy.client()
        client.writer.write(b"GET / HTTP/1.0\r\nhost: app.test\r\n\r\n")
        everything = await client.reader.read()
        assert b"transfer-encoding" not in everything
        assert everything.endswith(b"\r\n\r\nabc")


async def test_responses_can_explain_themselves() -> None:
    settings = Settings(explains=True)
    rule = vs("  - name: primary\n    route: [{destination: {host: app.test}}]\n")
    async with Upstream() as upstream, proxying(app(upstream, version="v7"), rule, settings=settings) as proxy:
        headers = (await proxy.ask()).headers
        assert (headers["x-meshsim-version"], headers["x-meshsim-route"]) == ("v7", "primary")
        assert headers["x-meshsim-pod"] == f"127.0.0.1:{upstream.port}"
