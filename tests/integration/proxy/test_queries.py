"""The query API on the stats address, over real sockets."""

import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import aiohttp
import pytest

from meshsim.kit.address import Address
from meshsim.kit.clock import Clock, LoopClock
from meshsim.kit.tasks import TaskOwner
from meshsim.mesh.clusters import ServiceName
from meshsim.mesh.endpoints import Workload
from meshsim.proxy.own_pages.pages import serve_site
from meshsim.proxy.own_pages.queries import Add, Queries
from meshsim.telemetry.exposition import exposition
from meshsim.telemetry.istio import BOTH, RequestMetrics, SeriesKey, names_of, numbers_of
from meshsim.telemetry.promql.exposed import labels_of
from tests.kits.eventually import eventually

pytestmark = [pytest.mark.integration, pytest.mark.asyncio]


@asynccontextmanager
async def serving(show: Callable[[], str], clock: Clock | None = None, pause_s: float = 0) -> AsyncIterator[str]:
    """The API over what `show` says twenty times a second, each time after a pause; yields its URL."""

    async def sample() -> Add:
        text = show()
        await LoopClock().sleep(pause_s)
        return lambda history: history.add_text(text)

    async with contextlib.AsyncExitStack() as stack:
        tasks = await stack.enter_async_context(TaskOwner())
        queries = Queries(sample, 0.05, clock)
        tasks.start(queries.run(), "history")
        site = {
            "/query": {"GET": queries.query, "POST": queries.query},
            "/query_range": {"GET": queries.query_range},
            "/labels": {"GET": queries.labels, "POST": queries.labels},
            "/label/*/values": {"GET": queries.label_values},
            "/series": {"GET": queries.series, "POST": queries.series},
            "/metadata": {"GET": queries.metadata},
            "/status/buildinfo": {"GET": queries.build},
        }
        yield f"http://{await serve_site(stack, tasks, site, Address('127.0.0.1', 0), 'stats')}"


class Sluggish(LoopClock):
    """A clock by which each look at it takes a second, on a machine that is far too slow."""

    def __init__(self) -> None:
        self._looks = 0

    def monotonic(self) -> float:
        self._looks += 1
        return float(self._looks)

    async def sleep(self, seconds: float) -> None:
        await super().sleep(min(seconds, 0.01))


async def test_a_query_that_takes_too_long_is_given_up() -> None:
    async with serving(lambda: "n 1\n", Sluggish()) as url, aiohttp.ClientSession() as session:
        query = "+".join(["sum(rate(n[1s]))"] * 50)
        async with session.get(f"{url}/query", params={"query": query}) as reply:
            answer = await reply.json()

    assert (reply.status, answer["errorType"]) == (503, "timeout")
    assert answer["error"] == "query timed out in expression evaluation"


async def test_what_was_seen_can_be_asked_for_as_get_and_as_a_form() -> None:
    counts = iter(range(1_000_000))
    async with serving(lambda: f"n {next(counts)}\n") as url, aiohttp.ClientSession() as session:

        async def rises() -> bool:
            async with session.get(f"{url}/query", params={"query": "rate(n[1s])"}) as reply:
                assert reply.status == 200
                return float((await reply.json())["data"]["result"][0]["value"][1]) > 1

        assert await eventually(rises, ignoring=(IndexError,))
        async with session.post(f"{url}/query", data={"query": "n > 0"}) as reply:
            assert (await reply.json())["data"]["resultType"] == "vector"
        async with session.get(
            f"{url}/query_range", params={"query": "1", "start": "0", "end": "2", "step": "1"}
        ) as reply:
            body = await reply.json()
        assert body["data"]["result"][0]["values"] == [[0.0, "1"], [1.0, "1"], [2.0, "1"]]


async def test_a_dashboard_can_ask_what_there_is_as_get_and_as_a_form() -> None:
    shown = '# TYPE n counter\nn{version="v1"} 1\n# TYPE g gauge\ng{pod="a"} 1\n'
    async with serving(lambda: shown) as url, aiohttp.ClientSession() as session:

        async def told(path: str, *selectors: str) -> object:
            parameters = [("match[]", selector) for selector in selectors]
            async with session.get(f"{url}{path}", params=parameters) as reply:
                return (await reply.json())["data"]

        await eventually(lambda: told("/labels"))
        assert await told("/labels", 'g{pod="a"}') == ["__name__", "pod"]
        assert await told("/label/__name__/values") == ["g", "n"]
        assert await told("/metadata") == {
            "n": [{"type": "counter", "help": "", "unit": ""}],
            "g": [{"type": "gauge", "help": "", "unit": ""}],
        }
        assert "version" in str(await told("/status/buildinfo"))
        both = [{"__name__": "g", "pod": "a"}, {"__name__": "n", "version": "v1"}]
        assert await told("/series", "n", "g") == both
        async with session.post(f"{url}/series", data=[("match[]", "n"), ("match[]", "g")]) as reply:
            assert (await reply.json())["data"] == both
        async with session.get(f"{url}/label/a/b/values") as reply:
            assert reply.status == 404
        async with session.post(f"{url}/label/version/values") as reply:
            assert reply.status == 405


async def test_a_scrape_that_is_slow_to_come_hides_nothing_of_the_one_before() -> None:
    async with serving(lambda: "n 1\n", pause_s=0.05) as url, aiohttp.ClientSession() as session:

        async def seen() -> list[object]:
            async with session.get(f"{url}/query", params={"query": "n"}) as reply:
                return list((await reply.json())["data"]["result"])

        await eventually(seen)
        assert all([await seen() for _ in range(100)])


async def test_a_query_that_is_none_is_refused_with_its_reason() -> None:
    async with serving(lambda: "n 1\n") as url, aiohttp.ClientSession() as session:
        async with session.get(f"{url}/query", params={"query": "rate(n)"}) as reply:
            refused = reply.status, (await reply.json())["errorType"]
        async with session.get(f"{url}/query_range", params={"query": "n"}) as reply:
            incomplete = reply.status, (await reply.json())["error"]

    assert refused == (400, "bad_data")
    assert incomplete == (400, 'invalid parameter "start": cannot parse "" to a valid timestamp')


async def test_the_numbers_that_are_kept_are_those_that_a_scraper_reads() -> None:
    metrics = RequestMetrics()
    key = SeriesKey(BOTH, Workload(), Workload("v2", version="v2"), ServiceName("a", "b", "c"), "http", 503, "", "UF")
    for took_ms in (0.2, 3.0, 99.0, 7_200_000.0):
        metrics.series(key).record(took_ms, 200, 5000)

    read = {}
    for line in exposition(metrics.samples()).decode().splitlines():
        if not line.startswith("#"):
            head, _, value = line.rpartition(" ")
            read[tuple(sorted(labels_of(head).items()))] = float(value)
    kept = {
        tuple(sorted(labels.items())): float(number)
        for reporter in key.reporters
        for labels, number in zip(names_of(key, reporter), numbers_of(metrics.series(key)), strict=True)
    }

    assert kept == read
