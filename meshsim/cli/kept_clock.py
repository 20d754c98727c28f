"""The clock of a data directory: a reopened one goes on from its own time, unless that was real time all along."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from meshsim.kit.clock import ClockEpoch, LoopClock, ScaledClock, start_epoch
from meshsim.kit.errors import StartError

_FILE: Final = "clock.json"
_REAL_TIME_WITHIN_S: Final = 1.0
_EVERY_S: Final = 2.0
_WRITE_S: Final = 0.5
"""Left for a note to be written."""


class _Kept(msgspec.Struct, frozen=True):
    """What the clock showed at a moment of the system's time."""

    real: float
    shown: float


def open_clock(data_dir: Path | None, speed: float) -> ClockEpoch:
    """The clock to run with: real time, or from where the directory's own clock stopped. Raises StartError."""
    if data_dir is None:
        return start_epoch(speed)
    path = data_dir / _FILE
    try:
        kept = msgspec.json.decode(path.read_bytes(), type=_Kept)
    except FileNotFoundError:
        return start_epoch(speed)
    except (OSError, msgspec.MsgspecError) as error:
        raise StartError(f"{path}: cannot read the clock: {error}") from None
    was_real_time = abs(kept.shown - kept.real) < _REAL_TIME_WITHIN_S
    return start_epoch(speed, None if was_real_time else kept.shown)


async def keep_clock(data_dir: Path, clock: ScaledClock, say: Callable[[str], None]) -> None:
    """Note what the clock shows, until cancelled; the last note is exact.

    The others run ahead, so that a clock never goes back, even when this process is killed. A disk that takes no
    notes is said once, and tried again.
    """
    wall, notes = LoopClock(), _Notes(data_dir, clock, say)
    try:
        while True:
            await asyncio.to_thread(notes.write, _EVERY_S)
            await wall.sleep(_EVERY_S - _WRITE_S)
    finally:
        await asyncio.to_thread(notes.write)


class _Notes:
    """Notes of a clock on a disk that may be full."""

    def __init__(self, data_dir: Path, clock: ScaledClock, say: Callable[[str], None]) -> None:
        self._data_dir = data_dir
        self._clock = clock
        self._say = say
        self._fails = False

    def write(self, ahead_s: float = 0.0) -> None:
        try:
            note_clock(self._data_dir, self._clock, ahead_s)
        except OSError as error:
            if not self._fails:
                self._say(f"the clock cannot be kept in {self._data_dir}: {error.strerror}; it is tried again")
            self._fails = True
        else:
            if self._fails:
                self._say(f"the clock is kept in {self._data_dir} again")
            self._fails = False


def note_clock(data_dir: Path, clock: ScaledClock, ahead_s: float = 0.0) -> None:
    """Note what the clock will show in so many real seconds. Raises OSError."""
    kept = _Kept(LoopClock().now() + ahead_s, clock.now() + ahead_s * clock.epoch.speed)
    new = data_dir / f".{_FILE}"
    new.write_bytes(msgspec.json.encode(kept))
    new.replace(data_dir / _FILE)
