"""Integration tests of those who join a program: what one of them does never holds up the others for good."""

import asyncio
import os

import pytest

from meshsim.api.core import Container
from meshsim.kit.tasks import TaskOwner
from meshsim.runtime.containers.conversation import Wanted
from meshsim.runtime.programs.inside import ProgramInside
from meshsim.runtime.programs.stdio import Input, Terminal
from tests.kits.eventually import eventually

pytestmark = pytest.mark.asyncio


class Output(asyncio.ReadTransport):
    """What a program prints, as far as anybody reads on."""

    def __init__(self) -> None:
        super().__init__()
        self.is_read = True

    def pause_reading(self) -> None:
        self.is_read = False

    def resume_reading(self) -> None:
        self.is_read = True

    def is_closing(self) -> bool:
        return False


class NoGroups:
    def began(self, group: int) -> None: ...
    def ended(self, group: int) -> None: ...


async def test_who_leaves_lets_a_program_print_on_that_does_not_read_what_it_is_told_last() -> None:
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    inside = ProgramInside(Container("web", stdin=True, stdin_once=True, tty=True), {}, NoGroups())
    output = Output()
    inside.began(output, Input(writing, Terminal(writing)), None)
    attachment = inside.attach(Wanted(stdin=True, stdout=True, terminal=True))
    inside.heard(bytes(1 << 20))
    assert not output.is_read
    async with TaskOwner() as tasks:
        full = tasks.start(attachment.write(bytes(1 << 20)), "more than a pipe holds")
        leaving = tasks.start(attachment.close(), "leaving")
        await eventually(lambda: output.is_read)
        assert not full.done()
        assert not leaving.done()
    inside.ended()
    os.close(reading)
