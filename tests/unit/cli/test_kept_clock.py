"""The clock that a data directory keeps."""

import asyncio
from pathlib import Path

import pytest

from meshsim.cli.kept_clock import keep_clock, note_clock, open_clock
from meshsim.kit.clock import LoopClock, ScaledClock, start_epoch
from meshsim.kit.errors import StartError
from meshsim.kit.tasks import TaskOwner
from tests.kits.eventually import eventually

A_YEAR_S = 365 * 86400


def test_without_a_directory_it_shows_real_time_at_first() -> None:
    epoch = open_clock(None, 20.0)
    assert epoch.shown == epoch.real == pytest.approx(LoopClock().now(), abs=5)
    assert epoch.speed == 20.0


def test_a_reopened_directory_goes_on_from_its_own_time(tmp_path: Path) -> None:
    ahead = LoopClock().now() + A_YEAR_S
    note_clock(tmp_path, ScaledClock(start_epoch(20.0, ahead)))
    assert open_clock(tmp_path, 5.0).shown == pytest.approx(ahead, abs=100)


def test_a_clock_never_goes_back_even_when_its_keeper_is_killed(tmp_path: Path) -> None:
    clock = ScaledClock(start_epoch(20.0, LoopClock().now() + A_YEAR_S))
    note_clock(tmp_path, clock, ahead_s=2.0)
    assert open_clock(tmp_path, 1.0).shown >= clock.now()


@pytest.mark.asyncio
async def test_the_note_of_a_keeper_that_ends_is_exact(tmp_path: Path) -> None:
    clock = ScaledClock(start_epoch(1000.0, LoopClock().now() + A_YEAR_S))
    said: list[str] = []
    async with TaskOwner() as tasks:
        tasks.start(keep_clock(tmp_path, clock, said.append), "keeper")
        await eventually((tmp_path / "clock.json").exists)
    kept = await asyncio.to_thread(open_clock, tmp_path, 1.0)
    assert kept.shown == pytest.approx(clock.now(), abs=500)
    assert said == []


@pytest.mark.asyncio
async def test_a_disk_that_takes_no_notes_is_said_once_and_ends_nothing(tmp_path: Path) -> None:
    data_dir, said = tmp_path / "gone", list[str]()
    async with TaskOwner() as tasks:
        keeper = tasks.start(keep_clock(data_dir, ScaledClock(start_epoch()), said.append), "keeper")
        await eventually(lambda: bool(said))
        assert not keeper.done()
    assert said == [f"the clock cannot be kept in {data_dir}: No such file or directory; it is tried again"]


@pytest.mark.asyncio
async def test_a_disk_that_takes_notes_again_is_said_too(tmp_path: Path) -> None:
    data_dir, said = tmp_path / "gone", list[str]()
    async with TaskOwner() as tasks:
        tasks.start(keep_clock(data_dir, ScaledClock(start_epoch()), said.append), "keeper")
        await eventually(lambda: bool(said))
        data_dir.mkdir()
    assert said[1:] == [f"the clock is kept in {data_dir} again"]


def test_a_directory_that_ran_on_real_time_goes_on_with_it(tmp_path: Path) -> None:
    note_clock(tmp_path, ScaledClock(start_epoch()))
    epoch = open_clock(tmp_path, 1.0)
    assert epoch.shown == epoch.real


def test_a_clock_file_that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "clock.json").write_text("{")
    with pytest.raises(StartError, match=r"clock\.json: cannot read the clock"):
        open_clock(tmp_path, 1.0)
