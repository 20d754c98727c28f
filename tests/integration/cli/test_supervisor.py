"""The supervisor of `meshsim up` against real processes that behave well and badly."""

import asyncio
import os
import signal
import sys
from contextlib import suppress
from typing import Final

import psutil
import pytest

from meshsim.cli.child import ChildSpec
from meshsim.cli.supervisor import ChildFailedError, Supervisor
from meshsim.kit.errors import StartError
from tests.kits.eventually import eventually

pytestmark = pytest.mark.asyncio

_FAKE: Final = "tests.kits.fake_plane"


def _fake(name: str = "fake", behave: str = "serve") -> ChildSpec:
    return ChildSpec(name, _FAKE, ("--behave", behave, "--address", "127.0.0.1:7777"))


def _lives(pid: int) -> bool:
    with suppress(psutil.NoSuchProcess):
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    return False


async def test_children_start_at_once_and_tell_where_they_serve() -> None:
    async with Supervisor([_fake("one"), _fake("two")], _ignore) as supervisor:
        one, two = await asyncio.gather(supervisor.ready("one"), supervisor.ready("two"))
    assert one["fake"] == two["fake"] == "127.0.0.1:7777"
    assert one["pid"] != two["pid"]


async def test_no_child_is_left_when_the_block_ends() -> None:
    async with Supervisor([_fake("one"), _fake("two")], _ignore) as supervisor:
        await supervisor.ready("one")
        await supervisor.ready("two")
        pids = list(supervisor.pids().values())
        assert all(map(_lives, pids))
    assert not any(map(_lives, pids))


async def test_a_child_that_was_killed_is_started_again_and_said_so() -> None:
    said: list[str] = []
    async with Supervisor([_fake()], said.append) as supervisor:
        await supervisor.ready("fake")
        first = supervisor.pids()["fake"]
        os.kill(first, signal.SIGKILL)
        await eventually(lambda: "fake serves again" in said)
        assert supervisor.pids()["fake"] != first
    assert said == ["fake was killed by SIGKILL and is started again", "fake serves again"]


async def test_a_child_that_refuses_to_start_ends_it_with_its_own_sentence() -> None:
    async with Supervisor([_fake(behave="refuse")], _ignore) as supervisor:
        with pytest.raises(StartError, match=r"^port 1 is taken$"):
            await asyncio.wait_for(supervisor.failed, 5)


async def test_a_child_that_crashes_again_and_again_is_given_up() -> None:
    said: list[str] = []
    async with Supervisor([_fake(behave="crash")], said.append) as supervisor:
        with pytest.raises(ChildFailedError) as failure:
            await asyncio.wait_for(supervisor.failed, 15)
    assert str(failure.value) == (
        "fake ended at once 5 times in a row and is given up; it was killed by SIGKILL: the crankshaft broke"
    )
    assert said == ["fake was killed by SIGKILL and is started again"] * 4


async def test_a_child_that_hangs_is_killed_within_three_seconds() -> None:
    said: list[str] = []
    loop = asyncio.get_running_loop()
    async with Supervisor([_fake()], said.append) as supervisor:
        await supervisor.ready("fake")
        pid = supervisor.pids()["fake"]
        os.kill(pid, signal.SIGSTOP)
        before = loop.time()
    assert loop.time() - before < 3
    assert not _lives(pid)
    assert said == ["fake doesn't end and is killed"]


async def test_what_a_child_says_is_told_with_its_name() -> None:
    said: list[str] = []
    async with Supervisor([_fake(behave="talk")], said.append) as supervisor:
        await supervisor.ready("fake")
        await eventually(lambda: said == ["fake: something odd"])


async def test_no_child_outlives_a_supervisor_that_is_killed() -> None:
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.kits.supervised", stdout=asyncio.subprocess.PIPE
    )
    assert parent.stdout is not None
    child = int(await asyncio.wait_for(parent.stdout.readline(), 10))
    assert _lives(child)
    parent.kill()
    await parent.wait()
    await eventually(lambda: not _lives(child))


def _ignore(_line: str) -> None:
    """What it says doesn't matter here."""
