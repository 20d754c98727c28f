"""Unit tests of the workqueue."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from controller.workqueue import Workqueue, backoff_s
from meshsim.api.meta import Key
from meshsim.kit.clock import VirtualClock
from meshsim.kit.tasks import TaskOwner

pytestmark = pytest.mark.asyncio
A, B = Key("default", "a"), Key("default", "b")


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest_asyncio.fixture
async def queue(clock: VirtualClock) -> AsyncIterator[Workqueue]:
    queue = Workqueue(clock, "test")
    yield queue
    await queue.close()


async def test_a_key_added_twice_is_handed_out_once(queue: Workqueue) -> None:
    for key in (A, B, A, A):
        queue.add(key)
    assert [await queue.get(), await queue.get(), len(queue)] == [A, B, 0]


async def test_a_key_added_while_in_work_is_handed_out_again_only_after_done(queue: Workqueue) -> None:
    queue.add(A)
    await queue.get()
    queue.add(A)
    queue.add(A)
    assert len(queue) == 0
    queue.done(A)
    assert await queue.get() == A
    queue.done(A)
    assert queue.is_idle


async def test_a_key_comes_back_at_its_instant_and_not_before(queue: Workqueue, clock: VirtualClock) -> None:
    queue.add_at(A, clock.now() + 60)
    await clock.advance(59.9)
    assert len(queue) == 0
    await clock.advance(0.1)
    assert await queue.get() == A


async def test_an_earlier_instant_of_another_key_is_not_held_up_by_a_later_one(
    queue: Workqueue, clock: VirtualClock
) -> None:
    queue.add_at(A, clock.now() + 60)
    await clock.advance(1)
    queue.add_at(B, clock.now() + 2)
    await clock.advance(2)
    assert [await queue.get(), len(queue)] == [B, 0]
    await clock.advance(57)
    assert await queue.get() == A


@pytest.mark.parametrize("second", [5, 50])
async def test_a_new_instant_replaces_the_old_one(queue: Workqueue, clock: VirtualClock, second: float) -> None:
    queue.add_at(A, clock.now() + 20)
    queue.add_at(A, clock.now() + second)
    await clock.advance(second - 0.1)
    assert len(queue) == 0
    await clock.advance(100)
    assert [await queue.get(), len(queue)] == [A, 0]


async def test_a_forgotten_key_does_not_come_back(queue: Workqueue, clock: VirtualClock) -> None:
    queue.add_at(A, clock.now() + 20)
    queue.forget(A)
    await clock.advance(100)
    assert len(queue) == 0


async def test_an_instant_that_has_passed_is_now(queue: Workqueue, clock: VirtualClock) -> None:
    queue.add_at(A, clock.now() - 5)
    await clock.advance(0.01)
    assert await queue.get() == A


async def test_each_failure_in_a_row_doubles_the_wait(queue: Workqueue, clock: VirtualClock) -> None:
    for wait_s in (0.001, 0.002, 0.004, 0.008):
        queue.add_after_failure(A)
        await clock.advance(wait_s * 0.9)
        assert len(queue) == 0
        await clock.advance(wait_s * 0.9)
        assert await queue.get() == A
        queue.done(A)
    assert queue.failures_of(A) == 4
    queue.forget(A)
    assert queue.failures_of(A) == 0


async def test_the_back_off_ends_at_ten_seconds() -> None:
    assert [backoff_s(failures) for failures in (1, 2, 14, 15, 10_000)] == [0.001, 0.002, 8.192, 10.0, 10.0]


async def test_every_worker_learns_that_the_queue_is_closed(clock: VirtualClock) -> None:
    queue = Workqueue(clock, "test")
    async with TaskOwner() as owner:
        workers = [owner.start(queue.get(), f"worker {number}") for number in range(3)]
        await clock.sleep(0)
        queue.add_at(A, clock.now() + 1)
        await queue.close()
        assert await asyncio.gather(*workers) == [None, None, None]
        queue.add(A)
        queue.add_at(B, clock.now() + 1)
        await clock.advance(2)
        assert await queue.get() is None
