"""Holds a program to its CPU limit: it stands still for as long as it has used more than it may.

A cluster's kernel does so by the quotas of control groups, which take privileges. Here the program is paused and
resumed by signals, wherever there are any: a program doesn't see SIGSTOP, and few look at SIGCONT.
"""

import asyncio
import contextlib
import os
import signal
from typing import Final, Protocol

import psutil

from meshsim.kit.clock import LoopClock
from meshsim.runtime.programs.usage import Family, cpu_s
from meshsim.runtime.simulated.capacity import PERIOD_S, Quota

_SHORTEST_S: Final = 0.01
_LONGEST_PAUSE_S: Final = 1.0


class Throttled(Protocol):
    """A program that is watched."""

    @property
    def is_alive(self) -> bool:
        """It has not ended yet."""

    @property
    def family(self) -> Family:
        """Its processes, the leader of their group first; empty when it was over at once."""

    def note_throttled(self, seconds: float) -> None:
        """Told how long it stood still."""


async def throttle(program: Throttled, cores: float) -> None:
    """Keep the program to that many cores on average until it has ended."""
    clock, quota = LoopClock(), Quota(cores)
    used_s = await asyncio.to_thread(cpu_s, program.family)
    wait_s = PERIOD_S
    while program.is_alive:
        await clock.sleep(wait_s)
        before_s, used_s = used_s, max(await asyncio.to_thread(cpu_s, program.family), used_s)
        pause_s = min(quota.wait_s(clock.monotonic(), used_s - before_s), _LONGEST_PAUSE_S)
        if pause_s > 0.0:
            await _pause(program, pause_s, clock)
        # Whoever uses less than half of what it may is looked at once a period, to cost nothing itself.
        is_busy = used_s - before_s > cores * wait_s / 2
        wait_s = min(max(cores * PERIOD_S, _SHORTEST_S), PERIOD_S) if is_busy else PERIOD_S


async def _pause(program: Throttled, seconds: float, clock: LoopClock) -> None:
    started = clock.monotonic()
    members = program.family
    await asyncio.to_thread(_signal, members, signal.SIGSTOP)
    try:
        await clock.sleep(seconds)
    finally:
        if program.is_alive:
            await asyncio.to_thread(_signal, members, signal.SIGCONT)
        program.note_throttled(clock.monotonic() - started)


def _signal(members: Family, number: signal.Signals) -> None:
    """Also those of the group that nobody has seen yet."""
    for leader in members[:1]:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(leader.pid, number)
    for member in members[1:]:
        with contextlib.suppress(psutil.Error):
            member.send_signal(number)
