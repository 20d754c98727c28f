"""Keeps child processes alive: starts them all at once, restarts the dead, and ends every one of them.

No child outlives the supervisor: each holds the read end of a pipe (`--lifeline-fd`) that closes with it.
"""

import asyncio
import os
import signal
from collections.abc import Sequence
from contextlib import suppress
from types import TracebackType
from typing import Final, Self

from meshsim.cli.child import Addresses, Child, ChildSpec, Say
from meshsim.kit.errors import MeshsimError, StartError
from meshsim.kit.tasks import TaskOwner

_QUICK_END_S: Final = 5.0
"""A child that lived shorter than this ended at once."""
_BACKOFF_S: Final = (0.0, 0.2, 0.5, 1.0)
_MAX_QUICK_ENDS: Final = len(_BACKOFF_S) + 1
_STOP_GRACE_S: Final = 2.0


class ChildFailedError(MeshsimError):
    """A child ends again and again."""


class Supervisor:
    """Keeps the children of its specs alive while its `async with` block runs; then they have `stop_grace_s` to end.

    `failed` is done, with a MeshsimError, once one of them cannot be kept alive.
    """

    def __init__(self, specs: Sequence[ChildSpec], say: Say, *, stop_grace_s: float = _STOP_GRACE_S) -> None:
        self._specs = specs
        self._say = say
        self._stop_grace_s = stop_grace_s
        self._children: dict[str, Child] = {}
        self._keepers: list[asyncio.Task[None]] = []
        self._stopping = asyncio.Event()
        self._tasks = TaskOwner(self._task_failed)
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def ready(self, name: str) -> Addresses:
        """The addresses of a child, once it serves for the first time."""
        return await asyncio.shield(self._children[name].ready)

    def pids(self) -> dict[str, int]:
        """The process ids of the children that run now."""
        return {name: child.pid for name, child in self._children.items() if child.pid is not None}

    async def __aenter__(self) -> Self:
        self._lifeline = os.pipe()
        for spec in self._specs:
            self._children[spec.name] = child = Child(spec, self._say_while_running)
            self._keepers.append(self._tasks.start(self._keep_alive(child), spec.name))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._stop()

    async def _keep_alive(self, child: Child) -> None:
        loop, quick_ends = asyncio.get_running_loop(), 0
        while not self._stopping.is_set():
            started = loop.time()
            code = await child.run(self._lifeline[0])
            if self._stopping.is_set():
                return
            quick_ends = quick_ends + 1 if loop.time() - started < _QUICK_END_S else 0
            _give_up_if_hopeless(child, code, quick_ends)
            self._say(f"{child.spec.name} {how_it_ended(code)} and is started again")
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), _BACKOFF_S[max(0, quick_ends - 1)])

    def _say_while_running(self, line: str) -> None:
        if not self._stopping.is_set():
            self._say(line)

    def _task_failed(self, name: str, error: Exception) -> None:
        if not self.failed.done():
            self.failed.set_exception(error if isinstance(error, MeshsimError) else StartError(f"{name}: {error}"))

    async def _stop(self) -> None:
        """End every child: politely, then not."""
        self._stopping.set()
        # Closing it reaches a child that is being started right now, too.
        os.close(self._lifeline[1])
        for child in self._children.values():
            child.signal(signal.SIGTERM)
        await asyncio.wait(self._keepers, timeout=self._stop_grace_s)
        for child in self._children.values():
            if child.pid is not None:
                self._say(f"{child.spec.name} doesn't end and is killed")
                child.signal(signal.SIGKILL)
        await asyncio.wait(self._keepers)
        os.close(self._lifeline[0])
        if not self.failed.cancel():
            self.failed.exception()  # Seen, whether or not anybody waited for it.


def _give_up_if_hopeless(child: Child, code: int, quick_ends: int) -> None:
    name, words = child.spec.name, child.last_words
    if not child.was_ready and code > 0:
        raise StartError(words or f"{name} {how_it_ended(code)} before it served")
    if quick_ends >= _MAX_QUICK_ENDS:
        why = f": {words}" if words else ""
        raise ChildFailedError(
            f"{name} ended at once {quick_ends} times in a row and is given up; it {how_it_ended(code)}{why}"
        )


def how_it_ended(code: int) -> str:
    """`was killed by SIGKILL` or `ended with exit code 3`."""
    if code < 0:
        try:
            return f"was killed by {signal.Signals(-code).name}"
        except ValueError:
            return f"was killed by signal {-code}"
    return f"ended with exit code {code}"
