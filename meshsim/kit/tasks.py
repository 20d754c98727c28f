"""Every task has an owner and a name: none is lost, none outlives its owner, no failure goes unseen."""

import asyncio
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, Self

OnFailure = Callable[[str, Exception], None]
"""Told the name of a task that failed, and how."""


class TaskOwner:
    """Starts tasks, keeps them alive and ends them all when it closes.

    A task that fails is reported to `on_failure` at once; the others go on. Without `on_failure` the first
    failure is raised when the owner closes.
    """

    def __init__(self, on_failure: OnFailure | None = None) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()
        self._on_failure = on_failure
        self._failures: list[Exception] = []

    def start(self, coroutine: Coroutine[Any, Any, Any], name: str) -> asyncio.Task[Any]:
        """Run the coroutine as a task of this owner."""
        task = asyncio.create_task(coroutine, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def __len__(self) -> int:
        return len(self._tasks)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        failure = None if task.cancelled() else task.exception()
        if not isinstance(failure, Exception):
            return
        if self._on_failure is None:
            self._failures.append(failure)
        else:
            self._on_failure(task.get_name(), failure)

    async def close(self) -> None:
        """Cancel what still runs and wait for it. Raises the first failure nobody was told of."""
        while self._tasks:
            tasks = list(self._tasks)
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
        if self._failures:
            raise self._failures.pop(0)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()
