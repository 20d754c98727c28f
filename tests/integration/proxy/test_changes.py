"""Configuration changes and stops under traffic: nothing is lost."""

import asyncio
from collections import Counter

import pytest

from meshsim.kit.tasks import TaskOwner
from tests.kits.dataplane import Proxy, Received, Upstream, app, ok, proxying, vs
from tests.kits.eventually import eventually

pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_factories=["uvloop"])]


async def _slowly(received: Received) -> bytes:
    await asyncio.sleep(0.1)  # noqa: TID251 - an upstream that takes its time
    return ok(received.headers["x-envoy-decorator-operation"].encode())


async def test_an_endpoint_that_is_removed_finishes_what_it_has_and_gets_nothing_new() -> None:
    async with Upstream(_slowly) as leaving, Upstream() as staying, proxying(app(leaving)) as proxy:
        in_flight = asyncio.gather(*(proxy.ask() for _ in range(3)))
        await eventually(lambda: len(leaving.received) == 3)
        proxy.publish(app(staying))
        assert {(await proxy.ask()).body for _ in range(5)} == {b"ok"}
        assert {reply.status for reply in await in_flight} == {200}
        await eventually(lambda: leaving.open == 0)
        assert len(leaving.received) == 3


async def test_idle_connections_to_a_removed_endpoint_are_closed_at_once() -> None:
    async with Upstream() as leaving, Upstream() as staying, proxying(app(leaving)) as proxy:
        await asyncio.gather(*(proxy.ask() for _ in range(3)))
        assert leaving.open > 0
        proxy.publish(app(staying))
        await eventually(lambda: leaving.open == 0)


async def test_an_endpoint_that_stays_keeps_its_connections() -> None:
    async with Upstream() as staying, Upstream() as joining, proxying(app(staying)) as proxy:
        client = await proxy.client()
        await client.ask()
        proxy.publish(app(staying, joining))
        for _ in range(20):
            assert (await client.ask()).status == 200
        assert staying.connections == 1
        assert joining.received


async def test_endpoints_come_and_go_under_load_and_no_request_fails() -> None:
    async with Upstream() as one, Upstream() as other, proxying(app(one, other)) as proxy:
        statuses: Counter[int] = Counter()

        async def load() -> None:
            client = await proxy.client()
            while not done:
                statuses[(await client.ask()).status] += 1

        done = False
        clients = asyncio.gather(*(load() for _ in range(8)))
        for round_ in range(30):
            proxy.publish(*((app(one), app(other), app(one, other))[round_ % 3],))
            await asyncio.sleep(0.005)  # noqa: TID251 - traffic flows meanwhile
        done = True
        await clients
        assert set(statuses) == {200}
        assert statuses.total() == len(one.received) + len(other.received)


async def test_keys_stay_with_their_endpoints_from_the_moment_another_leaves() -> None:
    policy = (
        "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: d}\nspec: {host: app.test, "
        "trafficPolicy: {loadBalancer: {consistentHash: {httpHeaderName: x-user, maglev: {tableSize: 65537}}}}}"
    )

    async def owners(proxy: Proxy) -> dict[str, bytes]:
        users = map(str, range(30))
        return {user: (await proxy.ask("/", f"x-user: {user}")).body for user in users}

    def named(name: bytes) -> Upstream:
        return Upstream(lambda _: ok(name))

    async with named(b"a") as a, named(b"b") as b, named(b"c") as c, proxying(app(a, b, c), policy) as proxy:
        before = await owners(proxy)
        assert set(before.values()) == {b"a", b"b", b"c"}
        proxy.publish(app(a, b), policy)
        after = await owners(proxy)
        assert set(after.values()) == {b"a", b"b"}
        # A table of its own for the two moves few of the others.
        assert sum(after[user] != owner for user, owner in before.items() if owner != b"c") <= 5


async def test_exchanges_in_flight_keep_the_route_they_began_with() -> None:
    rule = vs("  - match: [{uri: {prefix: /a}}]\n    route: [{destination: {host: app.test}}]\n")
    async with Upstream(_slowly) as upstream, proxying(app(upstream), rule) as proxy:
        in_flight = asyncio.gather(proxy.ask("/a"))
        await eventually(lambda: upstream.received)
        proxy.publish(app(upstream), rule.replace("/a", "/b"))
        assert (await in_flight)[0].body == b"app.test:80/a*"
        assert (await proxy.ask("/a")).status == 404


async def _drained(proxy: Proxy) -> None:
    proxy.server.close()
    proxy.engine.drain()
    async with asyncio.timeout(5):
        await proxy.engine.drained.wait()


async def test_a_drain_closes_idle_connections_and_lets_exchanges_finish() -> None:
    async with Upstream(_slowly) as upstream, proxying(app(upstream)) as proxy:
        idle = await proxy.client()
        await idle.ask()
        busy = await proxy.client()
        asked = asyncio.gather(busy.ask())
        await eventually(lambda: len(upstream.received) == 2)
        draining = asyncio.gather(_drained(proxy))
        assert await idle.is_closed()
        (reply,) = await asked
        assert (reply.status, reply.headers["connection"]) == (200, "close")
        assert await busy.is_closed()
        await draining


async def test_a_drain_without_connections_is_over_at_once() -> None:
    async with proxying() as proxy:
        await _drained(proxy)


async def test_upstream_connections_that_are_idle_for_too_long_are_closed() -> None:
    policy = (
        "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: d}\n"
        "spec: {host: app.test, trafficPolicy: {connectionPool: {http: {idleTimeout: 10ms}}}}"
    )
    async with Upstream() as upstream, proxying(app(upstream), policy) as proxy, TaskOwner() as tasks:
        tasks.start(proxy.engine.sweep(), "sweep")
        await proxy.ask()
        await eventually(lambda: upstream.open == 0)
        assert (await proxy.ask()).status == 200
