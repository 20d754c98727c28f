"""Waiting with a limit that a clock measures."""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, Final

from meshsim.kit.clock import Clock
from meshsim.kit.tasks import TaskOwner

_log: Final = logging.getLogger(__name__)


async def within(clock: Clock, seconds: float, work: Coroutine[Any, Any, Any]) -> bool:
    """Do the work, but give it up after that many seconds on the clock; returns whether it ended before."""
    async with TaskOwner(_report_failure) as tasks:
        ended = tasks.start(work, "limited work")
        limit = tasks.start(clock.sleep(seconds), "limit")
        await asyncio.wait((ended, limit), return_when=asyncio.FIRST_COMPLETED)
        return ended.done()


def _report_failure(task: str, failure: Exception) -> None:
    _log.error("%s failed", task, exc_info=failure)
