import asyncio
import time
from datetime import UTC, datetime

import pytest

from meshsim.kit.clock import ClockEpoch, LoopClock, ScaledClock, VirtualClock, clock_of, start_epoch
from meshsim.kit.tasks import TaskOwner


@pytest.mark.asyncio
async def test_virtual_time_stands_still_until_it_is_advanced() -> None:
    clock = VirtualClock(start=1000.0)
    async with TaskOwner() as owner:
        sleeper = owner.start(clock.sleep(5), "sleeper")
        await clock.advance(4.999)
        assert not sleeper.done()
        assert clock.now() == 1004.999
        assert clock.monotonic() == pytest.approx(4.999)
        await clock.advance(0.001)
        assert sleeper.done()


@pytest.mark.asyncio
async def test_each_virtual_wait_ends_at_its_own_instant_also_those_that_it_brings_about() -> None:
    clock = VirtualClock(start=0.0)
    seen: list[tuple[str, float]] = []

    async def wait(name: str, *pauses: float) -> None:
        for pause in pauses:
            await clock.sleep(pause)
            seen.append((name, clock.now()))

    async with TaskOwner() as owner:
        owner.start(wait("a", 1, 2, 4), "a")
        owner.start(wait("b", 3, 3), "b")
        await clock.advance(10)
    assert seen == [("a", 1), ("b", 3), ("a", 3), ("b", 6), ("a", 7)]
    assert clock.now() == 10


@pytest.mark.asyncio
async def test_a_cancelled_virtual_wait_wakes_nobody_and_holds_nobody_up() -> None:
    clock = VirtualClock()
    async with TaskOwner() as owner:
        given_up = owner.start(clock.sleep(1), "given up")
        patient = owner.start(clock.sleep(2), "patient")
        await clock.advance(0)
        given_up.cancel()
        await clock.advance(2)
        assert given_up.cancelled()
        assert patient.done()


@pytest.mark.asyncio
@pytest.mark.parametrize("clock", [VirtualClock(), LoopClock(), ScaledClock(start_epoch())])
@pytest.mark.parametrize("seconds", [0, -1])
async def test_a_wait_of_nothing_lets_the_others_run_once(clock: VirtualClock | LoopClock, seconds: float) -> None:
    ran = asyncio.Event()
    asyncio.get_running_loop().call_soon(ran.set)
    await clock.sleep(seconds)
    assert ran.is_set()


def test_processes_that_share_an_epoch_show_the_same_time() -> None:
    epoch = start_epoch(speed=1000, shown=5.0)
    one, other = ScaledClock(epoch), ScaledClock(ClockEpoch.from_text(epoch.to_text()))
    first, between, last = one.now(), other.now(), one.now()
    # Each reads the system's clock once at its start; that is all the disagreement there can be.
    slack = 0.005 * epoch.speed
    assert first - slack <= between <= last + slack
    assert first >= 5.0


def test_a_scaled_clock_runs_as_fast_as_it_says() -> None:
    clock = ScaledClock(start_epoch(speed=100))
    real, shown, counted = time.monotonic(), clock.now(), clock.monotonic()
    while time.monotonic() < real + 0.01:
        pass
    assert clock.now() - shown >= 1
    assert clock.monotonic() - counted >= 1


@pytest.mark.asyncio
async def test_a_scaled_wait_is_shorter_in_real_time_by_the_speed() -> None:
    clock = ScaledClock(start_epoch(speed=1000))
    shown = clock.now()
    async with asyncio.timeout(2):
        await clock.sleep(10)
    assert clock.now() - shown >= 10


@pytest.mark.asyncio
async def test_real_time_is_real() -> None:
    clock = LoopClock()
    before, counted = datetime.now(UTC).timestamp(), clock.monotonic()
    await clock.sleep(0.001)
    # A datetime is cut to microseconds.
    assert before <= clock.now() <= datetime.now(UTC).timestamp() + 1e-6
    assert clock.monotonic() >= counted + 0.001


def test_a_process_that_was_told_nothing_uses_real_time() -> None:
    assert isinstance(clock_of(None), LoopClock)
    assert isinstance(clock_of("1,2,3"), ScaledClock)


@pytest.mark.parametrize("text", ["", "1", "1,2", "1,2,3,4", "1,2,x", "1,2,0", "1,2,-1", "1,2,nan"])
def test_text_that_is_no_epoch_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        ClockEpoch.from_text(text)
