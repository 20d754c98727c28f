"""The inside of a container that is a program: commands beside it, and its own streams for those who join."""

import asyncio
import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Protocol

from meshsim.api.channels import Channel
from meshsim.api.core import Container
from meshsim.runtime.containers.conversation import Conversation, Wanted
from meshsim.runtime.programs.command import Command
from meshsim.runtime.programs.stdio import Input, Terminal
from meshsim.runtime.programs.warden import MARK

_CHUNK_BYTES: Final = 64 * 1024


class Groups(Protocol):
    """Who ends process groups when the node is killed."""

    def began(self, group: int) -> None:
        """That process group lives."""

    def ended(self, group: int) -> None:
        """That process group is no more."""


class ProgramInside:
    """What commands of one run of a container have in common, and who has joined its program."""

    def __init__(self, container: Container, environment: Mapping[str, str], groups: Groups) -> None:
        self._container = container
        self._environment = environment
        self._groups = groups
        self._names = itertools.count(1)
        self._commands: set[Command] = set()
        self._listeners: set[Listener] = set()
        self._output: asyncio.ReadTransport | None = None
        self._input: Input | None = None
        self._terminal: Terminal | None = None
        self._held_up = 0
        self._exit: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @property
    def has_terminal(self) -> bool:
        return self._container.tty

    async def run(self, command: Sequence[str], wanted: Wanted) -> Conversation:
        # The mark begins with the container's, so that what a command leaves behind ends with the container.
        mark = f"{self._environment.get(MARK, '')}{next(self._names)}/"
        environment = {**self._environment, MARK: mark}
        started = await Command.start(command, wanted, environment, self._container.working_dir or None, self._forget)
        self._commands.add(started)
        self._groups.began(started.leader)
        if self._exit.done():
            started.kill()
        return started

    def _forget(self, command: Command) -> None:
        self._commands.discard(command)
        self._groups.ended(command.leader)

    def attach(self, wanted: Wanted) -> Conversation:
        return _Attachment(self, wanted)

    def began(self, output: asyncio.ReadTransport, stdin: Input | None, terminal: Terminal | None) -> None:
        """The container's program runs; what it says comes out there."""
        self._output, self._input, self._terminal = output, stdin, terminal

    def heard(self, data: bytes) -> None:
        """The container's program has said something."""
        for listener in self._listeners:
            listener.reader.feed_data(data)

    def ended(self) -> None:
        """The container is over: so is everything that went on inside."""
        for listener in self._listeners:
            listener.reader.feed_eof()
        self._listeners.clear()
        for command in self._commands:
            command.kill()
        if self._input is not None:
            self._input.close()
        if not self._exit.done():
            self._exit.set_result(None)

    async def wait(self) -> None:
        """Until the container is over."""
        await asyncio.shield(self._exit)

    def join(self) -> "Listener":
        """Hear what the program says from now on."""
        listener = Listener(self.hold_up)
        if self._exit.done():
            listener.reader.feed_eof()
        else:
            self._listeners.add(listener)
        return listener

    def leave(self, listener: "Listener") -> None:
        """Somebody listens no more."""
        self._listeners.discard(listener)
        listener.resume_reading()

    def hold_up(self, by: int) -> None:
        """One more, or one fewer, cannot take in more."""
        before, self._held_up = self._held_up, self._held_up + by
        if self._output is None or self._output.is_closing():
            return
        if not before:
            self._output.pause_reading()
        elif not self._held_up:
            self._output.resume_reading()

    async def write(self, data: bytes) -> None:
        """Let the container's program read that, if its input is held open for somebody."""
        if self._input is not None:
            await self._input.write(data)

    async def end_input(self) -> None:
        """Whoever wrote has finished; a program that is to hear only one hears no more."""
        if self._input is not None and self._container.stdin_once:
            await self._input.end()

    def resize(self, columns: int, rows: int) -> None:
        """The terminal has another size."""
        if self._terminal is not None:
            self._terminal.resize(columns, rows)


class Listener(asyncio.ReadTransport):
    """What the program says, for one who has joined it. Who doesn't listen holds the program up."""

    def __init__(self, hold_up: Callable[[int], None]) -> None:
        super().__init__()
        self._hold_up = hold_up
        self._is_full = False
        self.reader = asyncio.StreamReader(_CHUNK_BYTES)
        # The reader says by its transport when it has too much, and when it has room again.
        self.reader.set_transport(self)

    def pause_reading(self) -> None:
        if not self._is_full:
            self._is_full = True
            self._hold_up(1)

    def resume_reading(self) -> None:
        if self._is_full:
            self._is_full = False
            self._hold_up(-1)


class _Attachment:
    """Somebody who has joined a container's program."""

    def __init__(self, inside: ProgramInside, wanted: Wanted) -> None:
        self._inside = inside
        self._wanted = wanted
        self._listener = inside.join() if wanted.stdout or wanted.stderr else None
        # What a container says comes out in one stream, errors and all.
        channel = Channel.STDOUT if wanted.stdout else Channel.STDERR
        self.outputs = {} if self._listener is None else {channel: self._listener.reader}

    async def write(self, data: bytes) -> None:
        if self._wanted.stdin:
            await self._inside.write(data)

    async def end_input(self) -> None:
        if self._wanted.stdin:
            await self._inside.end_input()

    def resize(self, columns: int, rows: int) -> None:
        self._inside.resize(columns, rows)

    async def wait(self) -> int:
        await self._inside.wait()
        return 0

    async def close(self) -> None:
        """Leave; the program goes on."""
        # First: the program may not read what tells it the end, and whoever else listens is not to wait for that.
        if self._listener is not None:
            self._inside.leave(self._listener)
        await self.end_input()
