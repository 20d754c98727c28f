"""Containers whose lives tests decide."""

import asyncio
from collections.abc import Sequence

from meshsim.api.core import Container, Pod
from meshsim.kit.clock import VirtualClock
from meshsim.runtime.containers.containers import KILLED, Exit, Sandbox, StartRefusedError, Usage
from meshsim.runtime.containers.log import ContainerLog


class ScriptedContainer:
    """Ends when a test says so; its health checks are exec probes that a test answers."""

    def __init__(self) -> None:
        self.exits: asyncio.Future[Exit] = asyncio.get_running_loop().create_future()
        self.answers: dict[str, int] = {}
        self.executed: list[str] = []
        self.told: list[str] = []
        self.ignores_stop = False
        self.missing: tuple[str, ...] = ()
        self.log = ContainerLog(VirtualClock())

    def end(self, code: int, reason: str = "") -> None:
        if not self.exits.done():
            self.exits.set_result(Exit(code, reason))

    @property
    def inside(self) -> None:
        return None

    @property
    def exit(self) -> Exit | None:
        return self.exits.result() if self.exits.done() else None

    async def wait(self) -> Exit:
        return await asyncio.shield(self.exits)

    def update(self, pod: Pod) -> None:
        self.told.append("update")

    async def execute(self, command: Sequence[str]) -> int:
        self.executed.append(command[0])
        return self.answers.get(command[0], 0)

    def give_up_connections(self) -> None:
        self.told.append("give up")

    async def stop(self) -> None:
        self.told.append("stop")
        if self.ignores_stop:
            await self.wait()
        self.end(0)

    def kill(self) -> None:
        self.told.append("kill")
        self.end(KILLED)

    def usage(self) -> Usage:
        return Usage()


class ScriptedRuntime:
    """Keeps every container that it started, and refuses for as long as a test wants."""

    def __init__(self) -> None:
        self.started: list[ScriptedContainer] = []
        self.refusal: StartRefusedError | None = None
        self.answers: dict[str, int] = {}
        self.seamless = True
        self.cannot_start = False
        self.missing: tuple[str, ...] = ()

    def is_seamless(self, container: Container) -> bool:
        return self.seamless

    async def start(self, pod: Pod, container: Container, sandbox: Sandbox) -> ScriptedContainer:
        if self.refusal is not None:
            raise self.refusal
        started = ScriptedContainer()
        started.answers, started.missing = self.answers, self.missing
        self.started.append(started)
        if self.cannot_start:
            started.end(128, "StartError")
        return started
