"""Tasks of the node: what becomes of one that fails, and work that has a limit."""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, Final

from meshsim.kit.clock import Clock
from meshsim.kit.tasks import TaskOwner

_log: Final = logging.getLogger(__name__)


def log_failure(task: str, failure: Exception) -> None:
    """Say that a task failed that nobody waits for: the others go on."""
    _log.error("%s failed", task, exc_info=failure)


async def within(clock: Clock, seconds: float, work: Coroutine[Any, Any, Any]) -> bool:
    """Do the work, but give it up after that many seconds on the clock; returns whether it ended before."""
    async with TaskOwner(log_failure) as tasks:
        ended = tasks.start(work, "limited work")
        limit = tasks.start(clock.sleep(seconds), "limit")
        await asyncio.wait((ended, limit), return_when=asyncio.FIRST_COMPLETED)
        return ended.done()
