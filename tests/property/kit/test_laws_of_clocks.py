import asyncio

from hypothesis import given
from hypothesis import strategies as st

from meshsim.kit.clock import ClockEpoch, VirtualClock
from meshsim.kit.tasks import TaskOwner

# Quarters of seconds add up exactly.
pauses_s = st.integers(1, 40).map(lambda quarters: quarters / 4)
finite = st.floats(allow_nan=False, allow_infinity=False)


async def wakings(plan: list[list[float]], steps_s: list[float]) -> list[tuple[float, int]]:
    """When which of some sleepers, each with a row of pauses, woke while the clock went on by those steps."""
    clock, woken = VirtualClock(start=0.0), list[tuple[float, int]]()

    async def sleep_through(who: int, row: list[float]) -> None:
        for pause_s in row:
            await clock.sleep(pause_s)
            woken.append((clock.now(), who))

    async with TaskOwner() as owner:
        for who, row in enumerate(plan):
            owner.start(sleep_through(who, row), f"sleeper {who}")
        for step_s in steps_s:
            await clock.advance(step_s)
    assert clock.now() == sum(steps_s)
    return woken


@given(st.lists(st.lists(pauses_s, max_size=4), max_size=5))
def test_every_sleeper_wakes_exactly_when_its_pauses_have_passed(plan: list[list[float]]) -> None:
    expected = [(sum(row[: count + 1]), who) for who, row in enumerate(plan) for count in range(len(row))]
    woken = asyncio.run(wakings(plan, [200.0]))
    assert sorted(woken) == sorted(expected)
    assert [instant for instant, _ in woken] == sorted(instant for instant, _ in woken)


@given(st.lists(st.lists(pauses_s, max_size=4), max_size=5), st.lists(pauses_s, max_size=6))
def test_it_makes_no_difference_in_how_many_steps_time_passes(plan: list[list[float]], steps_s: list[float]) -> None:
    at_once = asyncio.run(wakings(plan, [sum(steps_s)]))
    assert asyncio.run(wakings(plan, steps_s)) == at_once


@given(finite, finite, st.floats(min_value=1e-9, max_value=1e9))
def test_an_epoch_survives_being_handed_over_as_text(real: float, shown: float, speed: float) -> None:
    epoch = ClockEpoch(real, shown, speed)
    assert ClockEpoch.from_text(epoch.to_text()) == epoch
