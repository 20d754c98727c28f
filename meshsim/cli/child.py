"""One process that a supervisor started: told how to behave by flags, heard through pipes."""

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, STDOUT, Process
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, Final

from meshsim.kit.tasks import TaskOwner

Addresses = dict[str, str]
"""What a child serves: name → `host:port`."""

Say = Callable[[str], None]
"""Tells a person one line."""

_LAST_LINES: Final = 20
_READ_BYTES: Final = 65536
_LAST_OUTPUT_S: Final = 0.2


@dataclass(frozen=True, slots=True)
class ChildSpec:
    """A process to keep alive: `python -m module arguments…`."""

    name: str
    module: str
    arguments: tuple[str, ...] = ()


class Child:
    """A process that may run more than once. `ready` is done once it serves for the first time."""

    def __init__(self, spec: ChildSpec, say: Say) -> None:
        self.spec = spec
        self.ready: asyncio.Future[Addresses] = asyncio.get_running_loop().create_future()
        self._say = say
        self._process: Process | None = None
        self._lines: deque[str] = deque(maxlen=_LAST_LINES)

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        return None if self._process is None else self._process.pid

    @property
    def was_ready(self) -> bool:
        """It has served, in this life or one before."""
        return self.ready.done()

    @property
    def last_words(self) -> str:
        """The line that says why it ended: its last `Error: …`, else its last line."""
        said = [line for line in self._lines if line]
        errors = [line.removeprefix("Error: ") for line in said if line.startswith("Error: ")]
        return (errors or said or [""])[-1]

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal, if it runs."""
        if self._process is not None and self._process.returncode is None:
            # Not Process.send_signal: it reaps a child that has just died, and its exit code is lost to `wait`.
            with suppress(ProcessLookupError):
                os.kill(self._process.pid, number)

    async def run(self, lifeline_fd: int) -> int:
        """One life: start it, pass on what it says, learn its addresses; returns its exit code."""
        read_fd, write_fd = os.pipe()
        with os.fdopen(read_fd, "rb") as ready_pipe:
            try:
                process = await self._start(lifeline_fd, write_fd)
            finally:
                os.close(write_fd)
            self._process = process
            async with TaskOwner() as listening:
                output = listening.start(self._pass_on_output(process), f"{self.spec.name} output")
                listening.start(self._await_ready(ready_pipe), f"{self.spec.name} readiness")
                code = await process.wait()
                # What it started itself may hold its output open: don't wait for that.
                await asyncio.wait([output], timeout=_LAST_OUTPUT_S)
        self._process = None
        return code

    async def _start(self, lifeline_fd: int, ready_fd: int) -> Process:
        arguments = ["-m", self.spec.module, *self.spec.arguments]
        arguments += ["--ready-fd", str(ready_fd), "--lifeline-fd", str(lifeline_fd)]
        # A group of its own: a terminal's Ctrl-C reaches the supervisor alone, which ends its children in its way.
        return await asyncio.create_subprocess_exec(
            sys.executable,
            *arguments,
            stdin=DEVNULL,
            stdout=PIPE,
            stderr=STDOUT,
            pass_fds=(ready_fd, lifeline_fd),
            process_group=0,
        )

    async def _await_ready(self, pipe: IO[bytes]) -> None:
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
        if self.was_ready:
            self._say(f"{self.spec.name} serves again")
        else:
            self.ready.set_result(json.loads(line))

    async def _pass_on_output(self, process: Process) -> None:
        assert process.stdout is not None
        rest = b""
        while chunk := await process.stdout.read(_READ_BYTES):
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                self._hear(line)
        if rest:
            self._hear(rest)

    def _hear(self, line: bytes) -> None:
        text = line.decode(errors="replace").rstrip()
        self._lines.append(text)
        # The last words of one that never served become the error itself.
        if self.was_ready:
            self._say(f"{self.spec.name}: {text}")
