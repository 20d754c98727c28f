"""The standard streams of a program, held from outside: pipes, or one terminal for all."""

import asyncio
import contextlib
import fcntl
import os
import pty
import struct
import sys
import termios
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from meshsim.api.channels import Channel
from meshsim.runtime.containers.conversation import CannotRunError, Wanted
from meshsim.runtime.programs import on_terminal

_CHUNK_BYTES: Final = 64 * 1024
_END_OF_INPUT: Final = b"\x04"
_SIZES: Final = struct.Struct("HHHH")


@dataclass(slots=True)
class Stdio:
    """Both ends of a program's streams: the program's are for starting it, and closed then."""

    stdin: int = asyncio.subprocess.DEVNULL
    stdout: int = asyncio.subprocess.DEVNULL
    stderr: int = asyncio.subprocess.DEVNULL
    near_stdin: int | None = None
    near_outputs: dict[Channel, int] = field(default_factory=dict)
    terminal: "Terminal | None" = None

    @classmethod
    def open(cls, wanted: Wanted) -> "Stdio":
        """Open what is wanted; the rest leads nowhere. Raises CannotRunError when the system has no more."""
        stdio = cls()
        try:
            stdio._open(wanted)
        except OSError as error:
            stdio.close_far_ends()
            stdio.close_near_ends()
            raise CannotRunError(f"no pipe or terminal is to be had: {error.strerror}") from error
        return stdio

    def _open(self, wanted: Wanted) -> None:
        if wanted.terminal:
            near, far = pty.openpty()
            self.near_outputs[Channel.STDOUT] = near
            self.stdin = self.stdout = self.stderr = far
            self.terminal = Terminal(near)
            self.near_stdin = os.dup(near) if wanted.stdin else None
            return
        if wanted.stdin:
            self.stdin, self.near_stdin = os.pipe()
        if wanted.stdout:
            self.near_outputs[Channel.STDOUT], self.stdout = os.pipe()
        if wanted.stderr:
            self.near_outputs[Channel.STDERR], self.stderr = os.pipe()

    def arguments(self, command: Sequence[str]) -> list[str]:
        """What to start, so that the command runs on the terminal if there is one."""
        # Only a process itself can make a terminal its own; this one does, and becomes the command.
        return [sys.executable, "-I", "-S", on_terminal.__file__, *command] if self.terminal else [*command]

    def environment(self, environment: Mapping[str, str]) -> dict[str, str]:
        """The environment, with the kind of the terminal if there is one."""
        return {"TERM": "xterm", **environment} if self.terminal else {**environment}

    def close_far_ends(self) -> None:
        """The program has its own."""
        for end in {self.stdin, self.stdout, self.stderr} - {asyncio.subprocess.DEVNULL}:
            os.close(end)

    def close_near_ends(self) -> None:
        """Nobody holds them: for when the program could not be started."""
        for end in (*self.near_outputs.values(), *(() if self.near_stdin is None else (self.near_stdin,))):
            os.close(end)


class Terminal:
    """The terminal that a program runs on."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def resize(self, columns: int, rows: int) -> None:
        """Tell the program of another size."""
        size = _SIZES.pack(min(max(rows, 0), 0xFFFF), min(max(columns, 0), 0xFFFF), 0, 0)
        with contextlib.suppress(OSError):
            fcntl.ioctl(self._descriptor, termios.TIOCSWINSZ, size)


class Input:
    """What a program reads."""

    def __init__(self, descriptor: int, terminal: Terminal | None) -> None:
        os.set_blocking(descriptor, False)
        self._descriptor = descriptor
        self._terminal = terminal
        self._is_closed = False
        self._turn = asyncio.Lock()
        self._writable: asyncio.Future[None] | None = None

    @classmethod
    def of(cls, stdio: Stdio) -> "Input | None":
        """The input of a program whose input is held."""
        return None if stdio.near_stdin is None else cls(stdio.near_stdin, stdio.terminal)

    async def write(self, data: bytes) -> None:
        """Pass it on, waiting while the program doesn't read; what nobody reads any more is dropped."""
        async with self._turn:
            while data and not self._is_closed:
                try:
                    data = data[os.write(self._descriptor, data) :]
                except BlockingIOError:
                    await self._until_writable()
                except OSError:
                    self.close()

    async def end(self) -> None:
        """There is no more to read."""
        if self._terminal is not None:
            # A terminal goes on: the end is a key.
            await self.write(_END_OF_INPUT)
        else:
            self.close()

    def close(self) -> None:
        """Let go of it."""
        if not self._is_closed:
            self._is_closed = True
            asyncio.get_running_loop().remove_writer(self._descriptor)
            os.close(self._descriptor)
            self._go_on()

    async def _until_writable(self) -> None:
        # No transport: one that writes to a terminal would read from it, too.
        loop = asyncio.get_running_loop()
        self._writable = loop.create_future()
        loop.add_writer(self._descriptor, self._go_on)
        try:
            await self._writable
        finally:
            if not self._is_closed:
                loop.remove_writer(self._descriptor)

    def _go_on(self) -> None:
        if self._writable is not None and not self._writable.done():
            self._writable.set_result(None)


async def reader_of(descriptor: int) -> tuple[asyncio.StreamReader, asyncio.ReadTransport]:
    """Reads what a program says, no faster than it is taken in."""
    reader = asyncio.StreamReader(_CHUNK_BYTES)
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(descriptor, "rb", 0)
    )
    return reader, transport
