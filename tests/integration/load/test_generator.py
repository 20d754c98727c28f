"""The generator against a server on a real socket."""

import asyncio
from itertools import cycle

import pytest

from meshsim.kit.clock import LoopClock
from meshsim.load.generator import Generator, Limits
from meshsim.load.samples import Sample
from meshsim.load.target import target_of
from tests.kits.eventually import eventually
from tests.kits.versioned import Answer, VersionedServer

pytestmark = pytest.mark.asyncio

_UNBOUNDED = Limits()


async def _run(url: str, due: list[float], limits: Limits = _UNBOUNDED) -> list[Sample]:
    samples: list[Sample] = []
    await Generator(target_of(url, "my-app"), limits, samples.append, LoopClock()).run(due)
    return samples


async def test_every_request_is_sent_and_counted_by_the_version_that_answered() -> None:
    versions = cycle(["v1", "v1", "v2"])
    async with VersionedServer(lambda _: Answer(next(versions))) as server:
        samples = await _run(server.url, [0.001 * index for index in range(60)])
    assert [sum(sample.version == version for sample in samples) for version in ("v1", "v2")] == [40, 20]
    assert not any(sample.failed for sample in samples)
    assert all(head.startswith("GET / HTTP/1.1\r\nHost: my-app\r\n") for head in server.heads)


async def test_requests_that_do_not_overlap_share_a_connection() -> None:
    async with VersionedServer(lambda _: Answer()) as server:
        samples = await _run(server.url, [0.02 * index for index in range(10)])
    assert len(samples) == 10
    # On a busy machine two may fall due at once, which is an overlap.
    assert server.connections < 5


async def test_no_more_connections_are_opened_than_allowed() -> None:
    async with VersionedServer(lambda _: Answer(after_s=0.02)) as server:
        samples = await _run(server.url, [0.0] * 20, Limits(connections=4))
    assert len(samples) == 20
    assert server.most_connections == 4


async def test_the_latency_of_a_request_that_had_to_wait_counts_from_when_it_was_due() -> None:
    async with VersionedServer(lambda _: Answer(after_s=0.1)) as server:
        samples = await _run(server.url, [0.0, 0.0, 0.0], Limits(connections=1))
    latencies = sorted(sample.latency_s for sample in samples)
    # One connection serves them one after the other: 0.1, 0.2 and 0.3 s after all three were due.
    assert [latency >= floor for latency, floor in zip(latencies, (0.1, 0.2, 0.3), strict=True)] == [True] * 3


async def test_a_request_began_when_it_was_sent_not_when_it_was_due() -> None:
    async with VersionedServer(lambda _: Answer(after_s=0.1)) as server:
        first, second = sorted(
            await _run(server.url, [0.0, 0.0], Limits(connections=1)), key=lambda sample: sample.latency_s
        )
    assert second.began - first.began >= 0.1


async def test_a_late_answer_does_not_hold_up_the_requests_after_it() -> None:
    slow_first = iter([Answer(after_s=0.5)])
    async with VersionedServer(lambda _: next(slow_first, Answer())) as server:
        samples = await _run(server.url, [0.0, 0.05, 0.1])
    assert samples[-1].latency_s >= 0.5
    assert all(sample.latency_s < 0.5 for sample in samples[:2])


async def test_no_answer_in_time_is_a_failure_on_the_wire_and_in_the_queue() -> None:
    async with VersionedServer(lambda _: Answer(after_s=30)) as server:
        samples = await _run(server.url, [0.0, 0.0], Limits(connections=1, timeout_s=0.2))
    assert [sample.error for sample in samples] == ["timeout", "timeout"]
    assert len(server.heads) == 1


async def test_a_server_that_is_not_there_is_refused_connections() -> None:
    async with VersionedServer(lambda _: Answer()) as server:
        url = server.url
    samples = await _run(url, [0.0] * 5)
    assert [sample.error for sample in samples] == ["connection refused"] * 5


async def test_an_answer_that_breaks_off_is_a_failure_and_is_not_asked_for_again() -> None:
    async with VersionedServer(lambda _: Answer(cut=True)) as server:
        samples = await _run(server.url, [0.0])
    assert [(sample.error, sample.status) for sample in samples] == [("connection closed", 0)]
    assert len(server.heads) == 1


async def test_a_connection_that_the_server_ends_is_replaced() -> None:
    async with VersionedServer(lambda _: Answer(closes=True)) as server:
        samples = await _run(server.url, [0.02 * index for index in range(5)])
    assert [sample.failed for sample in samples] == [False] * 5
    assert server.connections == 5


async def test_waiting_requests_are_sent_though_every_connection_before_them_was_lost() -> None:
    broken_first = iter([Answer(cut=True), Answer(cut=True)])
    async with VersionedServer(lambda _: next(broken_first, Answer())) as server:
        samples = await _run(server.url, [0.0] * 6, Limits(connections=2))
    assert sum(sample.failed for sample in samples) == 2
    assert len(samples) == 6


async def test_a_stopped_run_sees_the_requests_on_the_wire_end() -> None:
    samples: list[Sample] = []
    async with VersionedServer(lambda _: Answer(after_s=0.2)) as server:
        generator = Generator(target_of(server.url), Limits(), samples.append, LoopClock())
        running = asyncio.gather(generator.run([0.0, 0.01, 60.0]))
        await eventually(lambda: len(server.heads) == 2)
        generator.stop()
        await running
    assert [sample.status for sample in samples] == [200, 200]


async def test_what_begins_late_is_counted() -> None:
    samples: list[Sample] = []
    async with VersionedServer(lambda _: Answer(after_s=0.1)) as server:
        generator = Generator(target_of(server.url), Limits(connections=1), samples.append, LoopClock())
        await generator.run([0.0, 0.0, 0.0])
    assert generator.late == 2
