"""The open-loop generator: begins requests when they are due, whatever has become of the earlier ones.

A request that finds every connection busy waits, and its latency counts from the instant it was due: a slow
server cannot hide behind a client that waits for it ("coordinated omission").
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from meshsim.kit.clock import Clock
from meshsim.kit.tasks import TaskOwner
from meshsim.load.connection import Connection, Failure, describe
from meshsim.load.reply import Reply
from meshsim.load.samples import Sample
from meshsim.load.target import Target

_IDLE_S: Final = 5.0
"""An idle connection is closed after this, before a server would do it under a request."""
_SWEEP_S: Final = 0.1
_LATE_S: Final = 0.05


@dataclass(frozen=True, slots=True)
class Limits:
    """What a run may use."""

    connections: int = 64
    timeout_s: float = 10.0
    """From the instant a request is due; then it has failed."""


class Generator:
    """Sends one run of requests to a target. `on_sample` is told of each as it ends."""

    def __init__(self, target: Target, limits: Limits, on_sample: Callable[[Sample], None], clock: Clock) -> None:
        self.late = 0
        """How many requests began more than 50 ms after they were due."""
        self._target = target
        self._limits = limits
        self._on_sample = on_sample
        self._clock = clock
        self._stopping = asyncio.Event()
        self._drained = asyncio.Event()
        self._open: set[Connection] = set()
        self._idle: list[Connection] = []
        self._waiting: deque[float] = deque()
        self._dialing = 0
        self._tasks = TaskOwner()
        self._unix_less_loop_s = 0.0

    def stop(self) -> None:
        """Begin no more requests; `run` returns when those on the wire have ended."""
        self._stopping.set()

    @property
    def is_stopped(self) -> bool:
        """It was told to begin no more requests."""
        return self._stopping.is_set()

    async def run(self, due: Iterable[float]) -> None:
        """Begin a request at each of the instants (seconds from now, rising) and see them all end."""
        loop = asyncio.get_running_loop()
        self._unix_less_loop_s = self._clock.now() - loop.time()
        try:
            async with self._tasks as tasks:
                tasks.start(self._sweep(), "sweep")
                arrivals = tasks.start(self._begin_all(due), "arrivals")
                stopped = tasks.start(self._stopping.wait(), "stop")
                await asyncio.wait((arrivals, stopped), return_when=asyncio.FIRST_COMPLETED)
                arrivals.cancel()
                while self._on_their_way:
                    self._drained.clear()
                    await self._drained.wait()
        finally:
            for connection in list(self._open):
                connection.close()

    @property
    def _on_their_way(self) -> int:
        return len(self._waiting) + self._dialing + len(self._open) - len(self._idle)

    async def _begin_all(self, due: Iterable[float]) -> None:
        loop = asyncio.get_running_loop()
        start_s = loop.time()
        for offset_s in due:
            due_s = start_s + offset_s
            ahead_s = due_s - loop.time()
            if ahead_s > 0:
                await self._clock.sleep(ahead_s)
            self._begin(due_s)

    def _begin(self, due_s: float) -> None:
        connection = self._take_idle()
        if connection is not None:
            connection.send(due_s, asyncio.get_running_loop().time())
        else:
            self._waiting.append(due_s)
            self._dial_for_waiting()

    def _take_idle(self) -> Connection | None:
        # The one used last is the least likely to be closed by the other side meanwhile.
        while self._idle:
            connection = self._idle.pop()
            if connection.is_open:
                return connection
        return None

    def _dial_for_waiting(self) -> None:
        if self._waiting and len(self._open) + self._dialing < self._limits.connections:
            self._dialing += 1
            self._tasks.start(self._dial(self._waiting.popleft()), "dial")

    async def _dial(self, due_s: float) -> None:
        loop = asyncio.get_running_loop()
        address, port = self._target.address, self._target.port
        try:
            async with asyncio.timeout_at(due_s + self._limits.timeout_s):
                _, connection = await loop.create_connection(self._new_connection, address, port)
        except OSError as error:
            self._record(due_s, due_s, Failure(describe(error)))
        else:
            if connection.is_open:
                self._open.add(connection)
            connection.send(due_s, loop.time())
        finally:
            self._dialing -= 1
        self._dial_for_waiting()
        self._drained.set()

    def _new_connection(self) -> Connection:
        return Connection(self._target.request, self._done, self._lost)

    def _done(self, connection: Connection, outcome: Reply | Failure) -> None:
        self._record(connection.due_s, connection.began_s, outcome)
        if connection.is_open:
            self._use_again(connection)
        self._drained.set()

    def _use_again(self, connection: Connection) -> None:
        now_s = asyncio.get_running_loop().time()
        if self._waiting:
            connection.send(self._waiting.popleft(), now_s)
        else:
            connection.idle_since_s = now_s
            self._idle.append(connection)

    def _lost(self, connection: Connection) -> None:
        self._open.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)
        self._dial_for_waiting()
        self._drained.set()

    def _record(self, due_s: float, began_s: float, outcome: Reply | Failure) -> None:
        latency_s = max(0.0, asyncio.get_running_loop().time() - due_s)
        self.late += began_s - due_s > _LATE_S
        began = began_s + self._unix_less_loop_s
        match outcome:
            case Reply(status=status, version=version):
                self._on_sample(Sample(began, latency_s, status, version))
            case Failure(reason=reason):
                self._on_sample(Sample(began, latency_s, error=reason))

    async def _sweep(self) -> None:
        """End what took too long and what has been idle too long."""
        loop = asyncio.get_running_loop()
        while True:
            await self._clock.sleep(_SWEEP_S)
            now_s = loop.time()
            overdue_s = now_s - self._limits.timeout_s
            while self._waiting and self._waiting[0] <= overdue_s:
                due_s = self._waiting.popleft()
                self._record(due_s, due_s, Failure("timeout"))
            for connection in self._open - set(self._idle):
                if connection.due_s <= overdue_s:
                    connection.give_up("timeout")
            for connection in list(self._idle):
                if connection.idle_since_s <= now_s - _IDLE_S:
                    connection.close()
            self._drained.set()
