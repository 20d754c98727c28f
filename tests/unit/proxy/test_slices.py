"""Long work between the turns of the loop."""

import asyncio

import pytest

from meshsim.mesh.steps import Steps
from meshsim.proxy.slices import Slices
from tests.kits.eventually import eventually

pytestmark = pytest.mark.asyncio


def _long(done: list[str], name: str) -> Steps[None]:
    loop = asyncio.get_running_loop()
    for _ in range(3):
        until = loop.time() + 0.0015
        while loop.time() < until:
            pass
        done.append(name)
        yield
    done.append(name.upper())


async def test_all_that_waits_gets_its_turn_and_the_loop_goes_on() -> None:
    done: list[str] = []
    slices, loop = Slices(asyncio.get_running_loop()), asyncio.get_running_loop()
    slices.start(_long(done, "a"))
    slices.start(_long(done, "b"))
    loop.call_soon(done.append, "a request")
    await eventually(lambda: "A" in done and "B" in done)
    assert done == ["a", "a request", "b", "a", "b", "a", "b", "A", "B"]


async def test_work_that_is_closed_ends_and_the_rest_goes_on() -> None:
    done: list[str] = []
    slices, ended = Slices(asyncio.get_running_loop()), _long(done, "a")
    slices.start(ended)
    slices.start(_long(done, "b"))
    ended.close()
    await eventually(lambda: "B" in done)
    assert "a" not in done


async def test_what_waits_can_be_done_at_once_or_left_undone() -> None:
    done: list[str] = []
    slices = Slices(asyncio.get_running_loop())
    slices.start(_long(done, "a"))
    slices.finish()
    assert done == ["a", "a", "a", "A"]
    slices.start(_long(done, "b"))
    slices.close()
    slices.start(_long(done, "c"))
    await eventually(lambda: "C" in done)
    assert "b" not in done
