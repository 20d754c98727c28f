"""Containers that are programs: each a child process in a group of its own, at the pod's address.

Commands are argument lists, never a shell's. A program ends with the node: `Warden` sees to those that the node
could not end itself because it was killed.
"""

import asyncio
import contextlib
import itertools
import logging
import os
import secrets
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

import psutil

from meshsim.api.channels import Channel
from meshsim.api.core import Container, Pod
from meshsim.kit.clock import Clock, LoopClock
from meshsim.kit.tasks import TaskOwner
from meshsim.runtime.containers.containers import Exit, Sandbox, Usage, cpu_limit, memory_limit
from meshsim.runtime.containers.conversation import CannotRunError, Wanted
from meshsim.runtime.containers.log import ContainerLog
from meshsim.runtime.programs import warden
from meshsim.runtime.programs.command import check_startable, start_problem
from meshsim.runtime.programs.environment import Sources, arguments_of, environment_of
from meshsim.runtime.programs.inside import ProgramInside
from meshsim.runtime.programs.stdio import Input, Stdio
from meshsim.runtime.programs.throttle import throttle
from meshsim.runtime.programs.usage import Family, Measured, measured
from meshsim.runtime.programs.volumes import missing_volumes
from meshsim.runtime.programs.warden import end_marked
from meshsim.runtime.simulated.capacity import Quota

_log: Final = logging.getLogger(__name__)
_LAST_WORDS_S: Final = 0.5
_MEASURE_EVERY_S: Final = 1.0
_CANNOT_START: Final = 128
_LOG_BYTES_PER_S: Final = 4 * 1024 * 1024
"""Who prints more has to wait, as it would for a slow disk."""
_CORES: Final = os.cpu_count() or 1


class ProcessRuntime:
    """Starts programs. Close it when the node ends."""

    def __init__(self, clock: Clock, inherited: Mapping[str, str] = os.environ) -> None:
        self._clock = clock
        self._inherited = inherited
        self._mark = secrets.token_hex(8)
        self._runs = itertools.count(1)
        self._warden = Warden(f"{self._mark}/")
        self._running: set[ProcessContainer] = set()
        self._tasks = TaskOwner()
        self._measuring: asyncio.Task[None] | None = None

    async def start(
        self, pod: Pod, container: Container, sandbox: Sandbox, sources: Sources | None = None
    ) -> "ProcessContainer":
        """Start one; a program that cannot start is one that has ended. Raises StartRefusedError."""
        environment = environment_of(pod, container, sandbox, self._inherited, sources)
        mark = f"{self._mark}/{next(self._runs)}/"
        environment[warden.MARK] = mark
        inside = ProgramInside(container, environment, self._warden)
        started = ProcessContainer(container, environment, self._clock, mark, inside)
        started.missing = await asyncio.to_thread(missing_volumes, container)
        await self._warden.start()
        await started.begin(arguments_of(container, environment), self._warden)
        self._tasks.start(self._attend(started), f"program of {pod.metadata.name}")
        if self._measuring is None:
            self._measuring = self._tasks.start(self._measure(), "measuring of programs")
        return started

    async def aclose(self) -> None:
        """End what still runs."""
        for container in list(self._running):
            container.kill()
        await asyncio.gather(*(container.wait() for container in list(self._running)))
        await self._tasks.close()
        await self._warden.stop()

    async def _attend(self, container: "ProcessContainer") -> None:
        self._running.add(container)
        try:
            if container.is_alive and container.is_limited:
                await container.find_family()
                self._tasks.start(throttle(container, container.cpu_limit), "throttling of a program")
            await container.attend(self._warden)
        finally:
            self._running.discard(container)

    async def _measure(self) -> None:
        """Measure every program each second, and end those that use more memory than they may."""
        while True:
            leaders = {container.leader: container for container in self._running}
            try:
                everything = await asyncio.to_thread(measured, list(leaders))
            except OSError as error:
                _log.warning("what programs use cannot be measured: %s", error)
            else:
                for leader, found in everything.items():
                    leaders[leader].take_measure(found)
            await LoopClock().sleep(_MEASURE_EVERY_S)


class ProcessContainer:
    """One run of a program, from its start to its exit."""

    def __init__(
        self, container: Container, environment: Mapping[str, str], clock: Clock, mark: str, inside: ProgramInside
    ) -> None:
        self._mark = mark
        self.log = ContainerLog(clock)
        self.inside = inside
        self.missing: tuple[str, ...] = ()
        self.leader = 0
        """The process id, and that of its group."""
        self._environment = environment
        self._wanted = Wanted(stdin=container.stdin, stdout=True, terminal=container.tty)
        self._directory = container.working_dir or None
        self._memory_limit_bytes = memory_limit(container)
        self.cpu_limit = cpu_limit(container)
        """The cores it may use."""
        self.family: Family = ()
        self._process: asyncio.subprocess.Process | None = None
        self._output: asyncio.ReadTransport | None = None
        self._exit: asyncio.Future[Exit] = asyncio.get_running_loop().create_future()
        self._usage = Usage()
        self._out_of_memory = False

    async def begin(self, arguments: Sequence[str], warden: "Warden") -> None:
        """Start the program."""
        try:
            stdio = Stdio.open(self._wanted)
        except CannotRunError as error:
            self._exit.set_result(Exit(_CANNOT_START, "StartError", str(error)))
            return
        try:
            await self._hold(stdio)
            if self._wanted.terminal:
                await asyncio.to_thread(check_startable, arguments[0], self._environment, self._directory)
            self._process = await asyncio.create_subprocess_exec(
                *stdio.arguments(arguments),
                stdin=stdio.stdin,
                stdout=stdio.stdout,
                stderr=stdio.stdout,
                env=stdio.environment(self._environment),
                cwd=self._directory,
                start_new_session=True,
            )
        except (CannotRunError, OSError, ValueError) as error:
            self._exit.set_result(Exit(_CANNOT_START, "StartError", start_problem(arguments[0], error)))
        else:
            self.leader = self._process.pid
            warden.began(self.leader)
        finally:
            stdio.close_far_ends()

    async def _hold(self, stdio: Stdio) -> None:
        # The pipe is our own: what still holds its other end must not hold up the program's end.
        loop, near_output = asyncio.get_running_loop(), os.fdopen(stdio.near_outputs[Channel.STDOUT], "rb", 0)
        self._output, _ = await loop.connect_read_pipe(lambda: _Output(self.log, self.inside), near_output)
        self.inside.began(self._output, Input.of(stdio), stdio.terminal)

    async def find_family(self) -> None:
        """Know its leader before anything is measured."""
        with contextlib.suppress(psutil.Error, OSError):
            self.family = (await asyncio.to_thread(psutil.Process, self.leader),)

    async def attend(self, warden: "Warden") -> None:
        """Take in what it prints until it ends, and then end what it left behind."""
        if self._process is not None:
            code = await self._process.wait()
            self._signal(signal.SIGKILL)
            # Daemons have left the group, but not what they were started with.
            await asyncio.to_thread(end_marked, self._mark)
            warden.ended(self.leader)
            reason = "OOMKilled" if self._out_of_memory else ""
            ended = Exit(code if code >= 0 else 128 - code, reason)
            await self._hear_last_words()
            self._exit.set_result(ended)
        self._close_output()

    async def _hear_last_words(self) -> None:
        """Wait for what it printed last; a descendant in a session of its own may hold the pipe for ever."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.log.closed(), _LAST_WORDS_S)

    def _close_output(self) -> None:
        if self._output is not None:
            self._output.close()
        self.log.close()
        self.inside.ended()

    @property
    def is_limited(self) -> bool:
        """It may use less CPU than there is."""
        return self.cpu_limit < _CORES

    @property
    def is_alive(self) -> bool:
        """It has begun and not ended."""
        return bool(self.leader) and not self._exit.done()

    @property
    def exit(self) -> Exit | None:
        return self._exit.result() if self._exit.done() else None

    async def wait(self) -> Exit:
        return await asyncio.shield(self._exit)

    def update(self, pod: Pod) -> None:
        """A program doesn't see its pod."""

    async def execute(self, command: Sequence[str]) -> int:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            env=self._environment,
            cwd=self._directory,
            start_new_session=True,
        )
        try:
            return await process.wait()
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                await process.wait()

    def give_up_connections(self) -> None:
        """A program is told by its signal alone."""

    async def stop(self) -> None:
        self._signal(signal.SIGTERM)
        await self.wait()

    def kill(self) -> None:
        self._signal(signal.SIGKILL)

    def usage(self) -> Usage:
        return self._usage

    def take_measure(self, found: Measured) -> None:
        """What it was found to use."""
        self.family = found.family
        before, now = self._usage, found.usage
        self._usage = replace(now, cpu_s=max(now.cpu_s, before.cpu_s), throttled_s=before.throttled_s)
        if now.memory_bytes > self._memory_limit_bytes:
            self._out_of_memory = True
            self.kill()

    def note_throttled(self, seconds: float) -> None:
        """It stood still for so long, as it had used more CPU than it may."""
        self._usage = replace(self._usage, throttled_s=self._usage.throttled_s + seconds)

    def _signal(self, number: signal.Signals) -> None:
        if self.is_alive:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.leader, number)


class _Output(asyncio.Protocol):
    """Takes in what a program prints."""

    def __init__(self, log: ContainerLog, inside: ProgramInside) -> None:
        self._log = log
        self._inside = inside
        self._clock = LoopClock()
        self._rate = Quota(_LOG_BYTES_PER_S)

    def data_received(self, data: bytes) -> None:
        self._log.write(data)
        self._inside.heard(data)
        wait_s = self._rate.wait_s(self._clock.monotonic(), len(data))
        if wait_s > 0.0:
            # To take it in costs the node time, which is the other pods' too.
            self._inside.hold_up(1)
            asyncio.get_running_loop().call_later(wait_s, self._inside.hold_up, -1)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        self._log.close()


class Warden:
    """A small process that kills the groups it was told of once this process is gone."""

    def __init__(self, mark: str) -> None:
        """The mark is what those of the programs begin with."""
        self._mark = mark
        self._process: asyncio.subprocess.Process | None = None
        self._starting = asyncio.Lock()

    async def start(self) -> None:
        """Start it, once."""
        async with self._starting:
            if self._process is None:
                self._process = await asyncio.create_subprocess_exec(
                    sys.executable,
                    "-I",
                    "-S",
                    warden.__file__,
                    self._mark,
                    stdin=asyncio.subprocess.PIPE,
                    start_new_session=True,
                )

    def began(self, group: int) -> None:
        """That process group lives."""
        self._tell(f"+{group}\n")

    def ended(self, group: int) -> None:
        """That process group is no more."""
        self._tell(f"-{group}\n")

    async def stop(self) -> None:
        """Let it end."""
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
            await self._process.wait()

    def _tell(self, line: str) -> None:
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.write(line.encode())
