import asyncio

import pytest

from meshsim.kit.clock import LoopClock
from meshsim.kit.tasks import TaskOwner

pytestmark = pytest.mark.asyncio(loop_factories=["asyncio", "uvloop"])


async def turn() -> None:
    """Let every task that can run do so once."""
    await LoopClock().sleep(0)


async def fail(message: str) -> None:
    raise ValueError(message)


async def test_closing_cancels_every_task_and_waits_for_its_last_words() -> None:
    ended: list[str] = []

    async def wait_for_ever(name: str) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await turn()
            ended.append(name)

    async with TaskOwner() as owner:
        owner.start(wait_for_ever("a"), "a")
        owner.start(wait_for_ever("b"), "b")
        await turn()
        assert len(owner) == 2
    assert sorted(ended) == ["a", "b"]
    assert len(owner) == 0


async def test_closing_ends_also_what_a_task_starts_in_its_last_moments() -> None:
    owner = TaskOwner()

    async def leave_a_successor() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            owner.start(asyncio.Event().wait(), "successor")

    first = owner.start(leave_a_successor(), "first")
    await turn()
    await owner.close()
    assert first.cancelled()
    assert len(owner) == 0


async def test_a_task_that_ends_by_itself_is_let_go_of() -> None:
    async with TaskOwner() as owner:
        task = owner.start(turn(), "short")
        assert task.get_name() == "short"
        await task
        await turn()
        assert len(owner) == 0


async def test_a_failure_is_reported_by_name_at_once_and_the_other_tasks_go_on() -> None:
    told: list[tuple[str, str]] = []
    async with TaskOwner(on_failure=lambda name, error: told.append((name, str(error)))) as owner:
        other = owner.start(asyncio.Event().wait(), "other")
        owner.start(fail("no luck"), "unlucky")
        await turn()
        await turn()
        assert told == [("unlucky", "no luck")]
        assert not other.done()
    assert other.cancelled()


async def test_a_failure_that_nobody_was_told_of_is_raised_when_the_owner_closes() -> None:
    owner = TaskOwner()
    owner.start(fail("first"), "first")
    owner.start(fail("second"), "second")
    await turn()
    await turn()
    with pytest.raises(ValueError, match="first"):
        await owner.close()


async def test_a_failure_while_closing_is_raised_too() -> None:
    async def fail_when_cancelled() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await fail("could not clean up")

    owner = TaskOwner()
    owner.start(fail_when_cancelled(), "untidy")
    await turn()
    with pytest.raises(ValueError, match="could not clean up"):
        await owner.close()


async def test_a_cancelled_task_is_no_failure() -> None:
    async with TaskOwner() as owner:
        owner.start(asyncio.Event().wait(), "given up").cancel()
        await turn()
