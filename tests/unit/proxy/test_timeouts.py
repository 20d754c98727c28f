"""Waits that are equally long share one timer."""

import asyncio

import pytest

from meshsim.proxy.timeouts import TimeoutQueue
from tests.kits.eventually import eventually

pytestmark = pytest.mark.asyncio


async def test_what_is_not_stopped_expires_in_the_order_it_started() -> None:
    loop = asyncio.get_running_loop()
    expired: list[str] = []
    queue = TimeoutQueue(loop, 0.01, expired.append)
    for name in "abc":
        queue.start(name, loop.time())
    queue.stop("b")
    queue.stop("never started")
    await eventually(lambda: expired == ["a", "c"])
    assert len(queue) == 0


async def test_one_that_starts_while_another_expires_has_its_full_time() -> None:
    loop = asyncio.get_running_loop()
    expired: list[tuple[str, float]] = []

    def note(name: str) -> None:
        expired.append((name, loop.time()))
        if name == "first":
            queue.start("second", loop.time())

    queue = TimeoutQueue(loop, 0.02, note)
    queue.start("first", loop.time())
    await eventually(lambda: len(expired) == 2)
    assert expired[1][1] - expired[0][1] >= 0.015


async def test_closing_forgets_everything() -> None:
    loop = asyncio.get_running_loop()
    expired: list[str] = []
    queue = TimeoutQueue(loop, 0.001, expired.append)
    queue.start("a", loop.time())
    assert queue.has("a")
    queue.close()
    other = TimeoutQueue(loop, 0.005, expired.append)
    other.start("b", loop.time())
    await eventually(lambda: expired)
    assert expired == ["b"]
