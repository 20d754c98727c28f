"""A server that is killed again and again while clients write and watch, and what it owes them afterwards."""

import asyncio
import signal
import statistics
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from meshsim.api.decode import Object
from meshsim.api.kinds import CONFIG_MAP
from meshsim.api.meta import Key
from meshsim.client.api import ConflictError, ExpiredError, UnreachableError
from meshsim.client.http import HttpApi
from meshsim.client.kubeconfig import Kubeconfig
from meshsim.kit.chance import Draw, draws
from meshsim.kit.clock import LoopClock
from meshsim.kit.tasks import TaskOwner
from tests.kits.apiserver import secured_apiserver
from tests.kits.manifests import config_map

_CREATORS: Final = 3
_COUNTERS: Final = 2
_COUNTER: Final = Key("default", "counter")
_ANSWERS_A_LIFE: Final = (10, 60)
"""Between how many answers to writers and how many the server lives."""


@dataclass
class Ledger:
    """What clients were told, across all lives of the server."""

    created: dict[str, int] = field(default_factory=dict)
    """Names whose creation was answered, with their versions."""
    deleting: set[str] = field(default_factory=set)
    deleted: set[str] = field(default_factory=set)
    """Names whose deletion was asked for, and those where it was answered."""
    counted: dict[str, int] = field(default_factory=lambda: {f"w{number}": 0 for number in range(_COUNTERS)})
    """How far each counting client knows that it came."""
    undecided: int = 0
    """Writes whose answer never came."""
    answers: int = 0
    version: int = 0
    """The highest version that anybody was shown."""

    def saw(self, obj: Object) -> int:
        """Note an object in an answer, and return its version."""
        version = int(obj["metadata"]["resourceVersion"])
        self.version = max(self.version, version)
        return version


class Follower:
    """A client's cache, kept by one watch that resumes where it was cut off and lists only when it must."""

    def __init__(self) -> None:
        self.cache: dict[str, int] = {}
        self.version: int | None = None
        self.events = self.lists = 0

    async def follow(self, api: HttpApi) -> None:
        """Follow one life of the server, to its end."""
        try:
            while True:
                if self.version is None:
                    await self._list(api)
                try:
                    async for event in api.watch(CONFIG_MAP, str(self.version), "default"):
                        self._take(event.type, event.object)
                except ExpiredError:
                    self.version = None
        except UnreachableError:
            return

    async def _list(self, api: HttpApi) -> None:
        listed = await api.list(CONFIG_MAP, "default")
        found = {obj["metadata"]["name"]: int(obj["metadata"]["resourceVersion"]) for obj in listed.items}
        for name, version in found.items():
            assert version >= self.cache.get(name, 0), f"{name} went back from {self.cache[name]} to {version}"
        self.cache, self.version = found, int(listed.resource_version)
        self.lists += 1

    def _take(self, kind: str, obj: Object) -> None:
        version = int(obj["metadata"]["resourceVersion"])
        assert self.version is not None
        if kind == "BOOKMARK":
            assert version >= self.version
        else:
            assert version > self.version, f"an event of {version} after {self.version}"
            name = obj["metadata"]["name"]
            assert (name in self.cache) is (kind != "ADDED"), f"{kind} of {name}"
            if kind == "DELETED":
                del self.cache[name]
            else:
                self.cache[name] = version
            self.events += 1
        self.version = version


@dataclass(frozen=True, slots=True)
class Report:
    """What a trial came to; that it came to an end says that nothing was lost."""

    kills: int
    answered: int
    undecided: int
    counted: int
    events: int
    lists: int
    restarts_s: list[float]

    def __str__(self) -> str:
        return (
            f"{self.kills} kills, {self.answered} writes answered, {self.undecided} undecided, none lost; "
            f"counter exact at {self.counted}; {self.events} events and {self.lists} lists without a gap or a step "
            f"back; ready again in {statistics.median(self.restarts_s):.2f} s, at worst {max(self.restarts_s):.2f} s"
        )


class Trial:
    """Kills and restarts over one directory. Raises AssertionError as soon as anything is not as it was promised."""

    def __init__(self, directory: Path, seed: int) -> None:
        self._directory = directory
        self._draw: Draw = draws(seed, "crashes")
        self._clock = LoopClock()
        self._ledger = Ledger()
        self._follower = Follower()
        self._restarts_s: list[float] = []

    async def run(self, kills: int) -> Report:
        """Let the server live that often, and check what it still has after each death."""
        for life in range(kills):
            await self._live(life)
        async with self._server() as (_, api):
            await self._check(api)
            await self._follow_to_the_end(api)
        ledger = self._ledger
        total = sum(ledger.counted.values())
        return Report(
            kills, ledger.answers, ledger.undecided, total, self._follower.events, self._follower.lists,
            self._restarts_s,
        )  # fmt: skip

    @asynccontextmanager
    async def _server(self) -> AsyncIterator[tuple[asyncio.subprocess.Process, HttpApi]]:
        started = time.perf_counter()
        async with secured_apiserver(self._directory) as server:
            self._restarts_s.append(time.perf_counter() - started)
            async with HttpApi(Kubeconfig(server.kubeconfig)) as api:
                yield server.process, api

    async def _live(self, life: int) -> None:
        failures: list[Exception] = []
        async with self._server() as (process, api), TaskOwner(lambda _, error: failures.append(error)) as tasks:
            await self._check(api)
            if life == 0:
                await api.create(CONFIG_MAP, config_map(_COUNTER.name))
            clients = [tasks.start(self._follower.follow(api), "follower")]
            clients += [tasks.start(self._create(api, f"r{life}-{number}"), "creator") for number in range(_CREATORS)]
            clients += [tasks.start(self._count(api, writer), "counter") for writer in self._ledger.counted]
            least, most = _ANSWERS_A_LIFE
            enough = self._ledger.answers + least + int(self._draw() * (most - least))
            while self._ledger.answers < enough and not failures:
                await self._clock.sleep(0.001)
            await self._clock.sleep(self._draw() * 0.003)
            process.send_signal(signal.SIGKILL)
            await asyncio.wait(clients)
        assert not failures, failures

    async def _create(self, api: HttpApi, prefix: str) -> None:
        """Create one object after another, and delete every third again, until the server is gone."""
        ledger = self._ledger
        name, number = "", 0
        try:
            while True:
                name, number = f"{prefix}-{number}", number + 1
                ledger.undecided += 1
                ledger.created[name] = ledger.saw(await api.create(CONFIG_MAP, config_map(name)))
                self._answered()
                if number % 3 == 0:
                    ledger.deleting.add(name)
                    ledger.undecided += 1
                    await api.delete(CONFIG_MAP, Key("default", name))
                    ledger.deleted.add(name)
                    self._answered()
        except UnreachableError:
            return

    async def _count(self, api: HttpApi, writer: str) -> None:
        """Add one to the counter, and to this writer's own share of it, under the version that was read."""
        ledger = self._ledger
        try:
            while True:
                counter = await api.get(CONFIG_MAP, _COUNTER)
                data = counter["data"]
                wanted = {
                    **data,
                    "total": str(int(data.get("total", "0")) + 1),
                    writer: str(int(data.get(writer, "0")) + 1),
                }
                ledger.undecided += 1
                try:
                    ledger.saw(await api.replace(CONFIG_MAP, {**counter, "data": wanted}))
                    ledger.counted[writer] = int(wanted[writer])
                except ConflictError:
                    pass
                self._answered()
        except UnreachableError:
            return

    def _answered(self) -> None:
        self._ledger.undecided -= 1
        self._ledger.answers += 1

    async def _check(self, api: HttpApi) -> None:
        """Hold what the server has against what it said."""
        ledger = self._ledger
        listed = await api.list(CONFIG_MAP, "default")
        stored = {obj["metadata"]["name"]: int(obj["metadata"]["resourceVersion"]) for obj in listed.items}
        assert int(listed.resource_version) >= ledger.version, "versions went back"
        lost = {name for name in ledger.created.keys() - ledger.deleting if stored.get(name) != ledger.created[name]}
        assert not lost, f"created, answered and lost or changed: {sorted(lost)}"
        back = ledger.deleted & stored.keys()
        assert not back, f"deleted, answered and there again: {sorted(back)}"
        data: dict[str, str] = next(
            (obj["data"] for obj in listed.items if obj["metadata"]["name"] == _COUNTER.name), {}
        )
        shares = {writer: int(data.get(writer, "0")) for writer in ledger.counted}
        assert int(data.get("total", "0")) == sum(shares.values()), "an update was lost"
        for writer, known in ledger.counted.items():
            # The one more is what the writer had asked for when its server died.
            assert known <= shares[writer] <= known + 1, (
                f"{writer} counted to {known}, and the server to {shares[writer]}"
            )
        ledger.counted = shares

    async def _follow_to_the_end(self, api: HttpApi) -> None:
        """The cache arrives at what the server has."""
        async with TaskOwner() as tasks:
            tasks.start(self._follower.follow(api), "follower")
            listed = await api.list(CONFIG_MAP, "default")
            stored = {obj["metadata"]["name"]: int(obj["metadata"]["resourceVersion"]) for obj in listed.items}
            async with asyncio.timeout(10):
                while self._follower.cache != stored:
                    await self._clock.sleep(0.01)
