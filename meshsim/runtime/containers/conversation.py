"""Talking with a program in a container, as `exec` and `attach` do: what it reads, what it says, how it ends."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from meshsim.api.channels import Channel


@dataclass(frozen=True, slots=True)
class Wanted:
    """The streams that somebody wants to hold. On a terminal what the program says as an error is part of the rest."""

    stdin: bool = False
    stdout: bool = False
    stderr: bool = False
    terminal: bool = False


class CannotRunError(Exception):
    """The command cannot be started. `str(error)` says why, as a container runtime does."""


class Conversation(Protocol):
    """A program, and the streams of it that are held."""

    @property
    def outputs(self) -> Mapping[Channel, asyncio.StreamReader]:
        """What it says. A terminal whose other end has gone raises OSError."""

    async def write(self, data: bytes) -> None:
        """Let it read that, waiting while it doesn't."""

    async def end_input(self) -> None:
        """There is no more to read."""

    def resize(self, columns: int, rows: int) -> None:
        """The terminal has another size."""

    async def wait(self) -> int:
        """Its exit code, once it has ended; 0 where that is not for the client to know."""

    async def close(self) -> None:
        """Let go of it; a program that was started for this conversation ends with it."""


class Inside(Protocol):
    """The inside of a container that is a program."""

    @property
    def has_terminal(self) -> bool:
        """Whether the container's own program runs on a terminal."""

    async def run(self, command: Sequence[str], wanted: Wanted) -> Conversation:
        """Start another program there. Raises CannotRunError."""

    def attach(self, wanted: Wanted) -> Conversation:
        """Join the container's own program: hear what it says from now on."""
