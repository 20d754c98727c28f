"""A command that runs beside a container's own program: started for one conversation, ended with it."""

import asyncio
import contextlib
import os
import shutil
import signal
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from meshsim.api.channels import Channel
from meshsim.runtime.containers.conversation import CannotRunError, Wanted
from meshsim.runtime.programs.stdio import Input, Stdio, reader_of
from meshsim.runtime.programs.warden import MARK, end_marked


class Command:
    """One command, in a process group and a session of its own."""

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        stdio: Stdio,
        mark: str,
        ended: Callable[["Command"], None],
    ) -> None:
        self.leader = process.pid
        """The process id, and that of its group."""
        self.outputs: dict[Channel, asyncio.StreamReader] = {}
        self._process = process
        self._stdio = stdio
        self._mark = mark
        self._ended = ended
        self._input: Input | None = None
        self._transports: list[asyncio.ReadTransport] = []

    @classmethod
    async def start(
        cls,
        command: Sequence[str],
        wanted: Wanted,
        environment: Mapping[str, str],
        directory: str | None,
        ended: Callable[["Command"], None],
    ) -> "Command":
        """Start it; `ended` is told when it is over. Raises CannotRunError."""
        await asyncio.to_thread(check_startable, command[0], environment, directory)
        stdio = Stdio.open(wanted)
        try:
            process = await asyncio.create_subprocess_exec(
                *stdio.arguments(command),
                stdin=stdio.stdin,
                stdout=stdio.stdout,
                stderr=stdio.stderr,
                env=stdio.environment(environment),
                cwd=directory,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            stdio.close_near_ends()
            raise CannotRunError(start_problem(command[0], error)) from error
        finally:
            stdio.close_far_ends()
        started = cls(process, stdio, environment.get(MARK, ""), ended)
        try:
            await started._hold()
        except BaseException:
            # Whoever wanted it may have gone meanwhile.
            await started.close()
            raise
        return started

    async def _hold(self) -> None:
        self._input = Input.of(self._stdio)
        for channel, descriptor in self._stdio.near_outputs.items():
            self.outputs[channel], transport = await reader_of(descriptor)
            self._transports.append(transport)

    async def write(self, data: bytes) -> None:
        if self._input is not None:
            await self._input.write(data)

    async def end_input(self) -> None:
        if self._input is not None:
            await self._input.end()

    def resize(self, columns: int, rows: int) -> None:
        if self._stdio.terminal is not None:
            self._stdio.terminal.resize(columns, rows)

    async def wait(self) -> int:
        code = await self._process.wait()
        return code if code >= 0 else 128 - code

    async def close(self) -> None:
        """End it and what it started, unless it ended by itself: then what it left behind stays with the container."""
        if self._input is not None:
            self._input.close()
        for transport in self._transports:
            transport.close()
        try:
            if self._process.returncode is None:
                self.kill()
                if self._mark:
                    await asyncio.to_thread(end_marked, self._mark)
                await self._process.wait()
        finally:
            self._ended(self)

    def kill(self) -> None:
        """End its group at once."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.leader, signal.SIGKILL)


def check_startable(program: str, environment: Mapping[str, str], directory: str | None) -> None:
    """Raises CannotRunError, in the words of a container runtime, for a program that cannot be started."""
    if "/" not in program:
        if shutil.which(program, path=environment.get("PATH", os.defpath)) is None:
            raise CannotRunError(f'exec: "{program}": executable file not found in $PATH')
        return
    file = Path(directory or ".", program)
    if not file.exists():
        raise CannotRunError(f'exec: "{program}": no such file or directory')
    if file.is_dir() or not os.access(file, os.X_OK):
        raise CannotRunError(f'exec: "{program}": permission denied')


def start_problem(program: str, error: Exception) -> str:
    """Why a program did not start, from what the system said."""
    if isinstance(error, OSError):
        return f'exec: "{program}": {(error.strerror or str(error)).lower()}'
    return str(error) if isinstance(error, CannotRunError) else f'exec: "{program}": {error}'
