"""Keeps child processes alive: starts them, learns their addresses, restarts the dead, and ends them all.

No child outlives the supervisor: each holds the read end of a pipe (`--lifeline-fd`) that closes with it.
"""

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, STDOUT, Process
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Self

from meshsim.kit.errors import MeshsimError, StartError
from meshsim.kit.tasks import TaskOwner

Say = Callable[[str], None]
"""Tells a person one line."""

Addresses = dict[str, str]
"""What a child serves: name → `host:port`."""

_QUICK_END_S: Final = 5.0
"""A child that lived shorter than this ended at once."""
_BACKOFF_S: Final = (0.0, 0.2, 0.5, 1.0)
_MAX_QUICK_ENDS: Final = len(_BACKOFF_S) + 1
_STOP_GRACE_S: Final = 2.0
_LAST_LINES: Final = 20


class ChildFailedError(MeshsimError):
    """A child ends again and again; everything was running before."""


@dataclass(frozen=True, slots=True)
class ChildSpec:
    """A process to keep alive: `python -m module arguments…`."""

    name: str
    module: str
    arguments: tuple[str, ...] = ()


@dataclass(slots=True)
class _Child:
    spec: ChildSpec
    process: Process | None = None
    was_ready: bool = False
    quick_ends: int = 0
    lines: deque[str] = field(default_factory=lambda: deque(maxlen=_LAST_LINES))


class Supervisor:
    """Keeps the children of its specs alive while its `async with` block runs.

    `failed` is done, with a MeshsimError, once one of them cannot be kept alive.
    """

    def __init__(self, specs: Sequence[ChildSpec], say: Say) -> None:
        self._children = {spec.name: _Child(spec) for spec in specs}
        self._ready: dict[str, asyncio.Future[Addresses]] = {}
        self._say = say
        self._stopping = asyncio.Event()
        self._tasks = TaskOwner(self._task_failed)
        self._keepers: list[asyncio.Task[None]] = []
        self._lifeline: tuple[int, int] | None = None
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def ready(self, name: str) -> Addresses:
        """The addresses of a child, once it serves for the first time."""
        return await asyncio.shield(self._ready[name])

    def pids(self) -> dict[str, int]:
        """The process ids of the children that run now."""
        return {name: child.process.pid for name, child in self._children.items() if child.process is not None}

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._lifeline = os.pipe()
        for name, child in self._children.items():
            self._ready[name] = loop.create_future()
            self._keepers.append(self._tasks.start(self._keep_alive(child), name))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._stop()

    async def _keep_alive(self, child: _Child) -> None:
        loop = asyncio.get_running_loop()
        while not self._stopping.is_set():
            started = loop.time()
            code = await self._run_once(child)
            if self._stopping.is_set():
                return
            lived_s = loop.time() - started
            child.quick_ends = child.quick_ends + 1 if lived_s < _QUICK_END_S else 0
            self._give_up_if_hopeless(child, code)
            self._say(f"{child.spec.name} {how_it_ended(code)} and is started again")
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), _BACKOFF_S[max(0, child.quick_ends - 1)])

    def _give_up_if_hopeless(self, child: _Child, code: int) -> None:
        name, words = child.spec.name, _last_words(child.lines)
        if not child.was_ready and code > 0:
            raise StartError(words or f"{name} {how_it_ended(code)} before it served")
        if child.quick_ends >= _MAX_QUICK_ENDS:
            raise ChildFailedError(
                f"{name} ended at once {child.quick_ends} times in a row and is given up; it {how_it_ended(code)}"
                + (f": {words}" if words else "")
            )

    async def _run_once(self, child: _Child) -> int:
        """Start the child, relay what it says, learn its addresses; returns its exit code."""
        spec = child.spec
        assert self._lifeline is not None
        lifeline_fd = self._lifeline[0]
        ready_read_fd, ready_write_fd = os.pipe()
        arguments = ["-m", spec.module, *spec.arguments]
        arguments += ["--ready-fd", str(ready_write_fd), "--lifeline-fd", str(lifeline_fd)]
        try:
            # A group of its own: a terminal's Ctrl-C reaches the supervisor alone, which ends them in its way.
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                *arguments,
                stdin=DEVNULL,
                stdout=PIPE,
                stderr=STDOUT,
                pass_fds=(ready_write_fd, lifeline_fd),
                process_group=0,
            )
        finally:
            os.close(ready_write_fd)
        child.process = process
        if self._stopping.is_set():
            _signal(process, signal.SIGTERM)
        async with TaskOwner() as watching:
            relay = watching.start(self._relay(child, process), f"{spec.name} output")
            watching.start(self._await_ready(child, ready_read_fd), f"{spec.name} readiness")
            code = await process.wait()
            # What it started may still hold its output open: don't wait for that.
            await asyncio.wait([relay], timeout=0.2)
        child.process = None
        return code

    async def _await_ready(self, child: _Child, fd: int) -> None:
        with os.fdopen(fd, "rb") as pipe:
            reader = asyncio.StreamReader()
            transport, _ = await asyncio.get_running_loop().connect_read_pipe(
                lambda: asyncio.StreamReaderProtocol(reader), pipe
            )
            try:
                line = await reader.readline()
            finally:
                transport.close()
        if not line:
            return
        if child.was_ready:
            self._say(f"{child.spec.name} serves again")
        child.was_ready = True
        ready = self._ready[child.spec.name]
        if not ready.done():
            ready.set_result(json.loads(line))

    async def _relay(self, child: _Child, process: Process) -> None:
        assert process.stdout is not None
        rest = b""
        while chunk := await process.stdout.read(65536):
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                self._tell(child, line)
        if rest:
            self._tell(child, rest)

    def _tell(self, child: _Child, line: bytes) -> None:
        text = line.decode(errors="replace").rstrip()
        child.lines.append(text)
        # The last words of one that cannot start become the error itself.
        if child.was_ready and not self._stopping.is_set():
            self._say(f"{child.spec.name}: {text}")

    def _task_failed(self, name: str, error: Exception) -> None:
        if not self.failed.done():
            self.failed.set_exception(error if isinstance(error, MeshsimError) else StartError(f"{name}: {error}"))

    async def _stop(self) -> None:
        """End every child: politely, then not."""
        self._stopping.set()
        if self._lifeline is not None:
            os.close(self._lifeline[1])
        for child in self._children.values():
            _signal(child.process, signal.SIGTERM)
        if self._keepers:
            await asyncio.wait(self._keepers, timeout=_STOP_GRACE_S)
        for child in self._children.values():
            if child.process is not None:
                self._say(f"{child.spec.name} doesn't end and is killed")
            _signal(child.process, signal.SIGKILL)
        if self._keepers:
            await asyncio.wait(self._keepers)
        if self._lifeline is not None:
            os.close(self._lifeline[0])
        if not self.failed.done():
            self.failed.cancel()


def _signal(process: Process | None, number: signal.Signals) -> None:
    if process is not None and process.returncode is None:
        with suppress(ProcessLookupError):
            process.send_signal(number)


def _last_words(lines: Sequence[str]) -> str:
    """The line of a dead process that says why: its last `Error: …`, else its last line."""
    said = [line for line in lines if line]
    errors = [line.removeprefix("Error: ") for line in said if line.startswith("Error: ")]
    return (errors or said or [""])[-1]


def how_it_ended(code: int) -> str:
    """`was killed by SIGKILL` or `ended with exit code 3`."""
    if code < 0:
        try:
            return f"was killed by {signal.Signals(-code).name}"
        except ValueError:
            return f"was killed by signal {-code}"
    return f"ended with exit code {code}"
