"""The demo from the first process to the last pod of the old version."""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import aiohttp

from meshsim.api.meta import Key
from meshsim.api.progress import current_index, current_step
from meshsim.cli.child import ChildSpec
from meshsim.cli.connection import clock_of_api
from meshsim.cli.live.closing import Closing, problems_of
from meshsim.cli.live.cluster import Cluster, Seen
from meshsim.cli.live.configured import Split, same_split
from meshsim.cli.live.meters import Meters, ProxyCounts
from meshsim.cli.live.observer import Observer, Release
from meshsim.cli.live.processes import Load, command, load
from meshsim.cli.live.scene import Stage
from meshsim.cli.live.screen import Screen
from meshsim.cli.steps import step_in_words
from meshsim.cli.supervisor import Supervisor
from meshsim.client.http import HttpApi
from meshsim.client.kubeconfig import Kubeconfig
from meshsim.kit.clock import Clock, LoopClock
from meshsim.kit.errors import DeadlineError, MeshsimError
from meshsim.kit.tasks import TaskOwner

NAMESPACE: Final = "default"
NAME: Final = "my-app"
"""The rollout, its virtual service, its container and the host that callers use."""
_OLD: Final = "v1"
_NEW: Final = "v2"
_UP: Final = "up"

_DRAW_EVERY_S: Final = 0.2
_POLL_S: Final = 0.05
_METER_EVERY_S: Final = 1.0
_START_S: Final = 30.0
_BEFORE_S: Final = 2.5
_OLD_PODS_GONE_S: Final = 30.0
_AFTER_S: Final = 2.5
_STOP_GRACE_S: Final = 6.0
"""The mesh has three seconds to end its own processes, and a busy machine takes longer."""
_BESIDE_PAUSES_S: Final = 9.0
_COLUMNS: Final = 80
_MIN_SLICE_S: Final = 0.25


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the demo was asked for."""

    example: Path
    up_flags: tuple[str, ...]
    speed: float
    pauses_s: float
    """What the steps pause in all, on the cluster's clock."""
    rps: float
    seed: int | None
    timeout_s: float
    """Real seconds from the release to Healthy."""


class Play:
    """One run of the demo. Made on the loop that runs it."""

    def __init__(self, wishes: Wishes, screen: Screen) -> None:
        self._wishes = wishes
        self._screen = screen
        self._wall = LoopClock()
        # So that a whole release fits into the width of a terminal.
        slice_s = max(_MIN_SLICE_S, (wishes.pauses_s / wishes.speed + _BESIDE_PAUSES_S) / _COLUMNS)
        self._observer = Observer(Release(NAME, _OLD, _NEW, wishes.speed), self._wall, slice_s)
        self._failed: asyncio.Future[Closing] = asyncio.get_running_loop().create_future()
        self._cluster: Cluster | None = None
        self._cluster_clock: Clock = self._wall

    async def run(self) -> Closing:
        """Play it through. Raises the MeshsimError that kept it from its end."""
        up = ChildSpec(_UP, "meshsim", ("up", "-f", str(self._wishes.example), *self._wishes.up_flags))
        self._observer.doing = "starting the API server, the controller, the node and the proxy"
        try:
            async with (
                Supervisor([up], self._note_mesh, stop_grace_s=_STOP_GRACE_S) as mesh,
                TaskOwner(self._fail) as tasks,
            ):
                tasks.start(self._keep_drawing(), "screen")
                play = tasks.start(self._play(mesh), "play")
                await asyncio.wait([play, self._failed, mesh.failed], return_when=asyncio.FIRST_COMPLETED)
                if mesh.failed.done():
                    mesh.failed.result()
                closing = await (self._failed if self._failed.done() else play)
                self._draw()
                return closing
        finally:
            # Whatever fails once the demo is being ended is a part of its end.
            if not self._failed.cancel():
                self._failed.exception()

    def _fail(self, _task: str, error: Exception) -> None:
        if not self._failed.done():
            self._failed.set_exception(error)

    async def _play(self, mesh: Supervisor) -> Closing:
        addresses = await self._mesh_serves(mesh)
        self._observer.release = replace(self._observer.release, traffic_url=addresses["traffic"])
        self._note(f"traffic {addresses['traffic']} (Host: {NAME}), dashboard {addresses['dashboard']}")
        self._cluster_clock = clock_of_api(addresses["kubeconfig"])
        async with (
            HttpApi(Kubeconfig(Path(addresses["kubeconfig"])), user_agent="meshsim-demo") as api,
            Meters(addresses, NAME) as meters,
            TaskOwner(self._fail) as tasks,
        ):
            self._cluster = Cluster(api, Key(NAMESPACE, NAME))
            self._cluster.start(tasks)
            tasks.start(self._keep_watching(self._cluster, meters), "watch")
            tasks.start(self._keep_metering(meters, mesh, mesh.pids()[_UP]), "meters")
            await self._old_version_serves(meters)
            counted = await meters.proxy_counts()
            healthy_at_s, gone_at_s = await self._release(addresses, tasks)
            return self._closing(await meters.proxy_counts(), counted, healthy_at_s, gone_at_s)

    @staticmethod
    async def _mesh_serves(mesh: Supervisor) -> Mapping[str, str]:
        try:
            async with asyncio.timeout(_START_S):
                return await mesh.ready(_UP)
        except TimeoutError:
            raise DeadlineError(f"the mesh does not serve after {_START_S:g} s") from None

    async def _old_version_serves(self, meters: Meters) -> None:
        self._observer.doing = f"waiting until {_OLD} serves"
        deadline = self._wall.monotonic() + _START_S
        if await self._until(lambda seen: seen.is_done(_OLD), _START_S):
            while self._wall.monotonic() < deadline:
                with suppress(aiohttp.ClientError, TimeoutError):
                    if await meters.status() == 200:
                        return
                await self._wall.sleep(_POLL_S)
        raise DeadlineError(f"{_OLD} does not serve after {_START_S:g} s")

    async def _release(self, addresses: Mapping[str, str], tasks: TaskOwner) -> tuple[float | None, float | None]:
        """Send load, release the new version, wait for the end of the old one.

        Returns when it was Healthy and when the last old pod was gone, in monotonic seconds; None for never.
        """
        observer, wishes = self._observer, self._wishes
        async with load(addresses["traffic"], NAME, wishes.rps, wishes.seed) as running:
            reading = tasks.start(self._read(running), "load")
            self._enter(Stage.BEFORE, f"{wishes.rps:g} requests a second go to {_OLD}")
            await self._wall.sleep(_BEFORE_S)
            words = ("set", "image", NAME, f"{NAME}={NAME}:{_NEW}")
            observer.doing = f"$ meshsim {' '.join(words)}"
            self._note(observer.doing)
            self._note(await command(*words, "--kubeconfig", addresses["kubeconfig"]))
            self._enter(Stage.RELEASING)
            is_healthy = await self._until(lambda seen: seen.is_done(_NEW), wishes.timeout_s)
            healthy_at_s = self._wall.monotonic() if is_healthy else None
            self._enter(Stage.SETTLING, f"all traffic goes to {_NEW}; the last pods of {_OLD} end")
            are_gone = is_healthy and await self._until(lambda seen: not seen.pods.get(_OLD), _OLD_PODS_GONE_S)
            gone_at_s = self._wall.monotonic() if are_gone else None
            await self._wall.sleep(_AFTER_S)
            observer.moving()
            running.stop()
            await reading
        self._enter(Stage.ENDED)
        return healthy_at_s, gone_at_s

    def _closing(
        self, counts: ProxyCounts, before: ProxyCounts, healthy_at_s: float | None, gone_at_s: float | None
    ) -> Closing:
        observer = self._observer
        seen = self._cluster.seen() if self._cluster else None
        failures = Counter(sample.failure for sample in observer.traffic.samples if sample.failed)
        return Closing(
            phase=seen.phase if seen else "",
            steps=observer.step_results(),
            requests=len(observer.traffic.samples),
            failed=observer.traffic.failed,
            failures=dict(failures),
            upstream_attempts=counts.attempts - before.attempts,
            pods=dict(seen.pods) if seen else {},
            old_pods_gone_after_s=None if gone_at_s is None or healthy_at_s is None else gone_at_s - healthy_at_s,
            elapsed_s=observer.elapsed_s,
            problems=tuple(problems_of(seen, _NEW, observer.traffic.failed)),
        )

    # --- what goes on all the while -------------------------------------------------------------------------------

    def _enter(self, stage: Stage, doing: str = "") -> None:
        self._observer.stage, self._observer.doing = stage, doing
        if self._cluster is not None:
            self._cluster.changed.set()

    async def _keep_drawing(self) -> None:
        while True:
            self._draw()
            await self._wall.sleep(_DRAW_EVERY_S)

    def _draw(self) -> None:
        seen = self._cluster.seen() if self._cluster else None
        self._screen.show(self._observer.scene(seen, self._cluster_clock.now()))

    def _note(self, text: str) -> None:
        self._screen.note(self._observer.elapsed_s, text)

    def _note_mesh(self, text: str) -> None:
        # While it starts it says what it is and does; what it says later is that something went wrong.
        if self._observer.stage is not Stage.STARTING:
            self._note(text)

    async def _read(self, running: Load) -> None:
        async for samples in running.samples():
            self._observer.ended(samples)

    async def _keep_metering(self, meters: Meters, mesh: Supervisor, pid: int) -> None:
        while True:
            with suppress(aiohttp.ClientError, TimeoutError):
                self._observer.cpu.add(self._wall.monotonic(), await meters.usage())
            if mesh.pids().get(_UP) != pid:
                raise MeshsimError("the mesh of this demo was ended")
            await self._wall.sleep(_METER_EVERY_S)

    async def _keep_watching(self, cluster: Cluster, meters: Meters) -> None:
        """Tell the observer, as soon as it is so, that the split stands still or doesn't any more."""
        while True:
            cluster.changed.clear()
            seen = cluster.seen()
            title = _standstill(seen, self._observer.stage) if seen else None
            if seen is None or title is None:
                self._observer.moving()
            elif self._observer.is_steady(title, seen.split) or await self._proxy_has(seen.split, meters):
                # Whatever changed while the proxy was asked is looked at next.
                if not cluster.changed.is_set():
                    self._observer.steady(title, seen.split)
            else:
                await self._wall.sleep(_POLL_S)
                continue
            await cluster.changed.wait()

    async def _proxy_has(self, split: Split, meters: Meters) -> bool:
        with suppress(aiohttp.ClientError, TimeoutError):
            return same_split(await meters.split(), split)
        return False

    async def _until(self, check: Callable[[Seen], bool], within_s: float) -> bool:
        """Whether it became so in time. A release that is Degraded is not waited for."""
        deadline = self._wall.monotonic() + within_s
        while self._wall.monotonic() < deadline:
            seen = self._cluster.seen() if self._cluster else None
            if seen is not None and check(seen):
                return True
            # At the start it is Degraded until the objects are there that it refers to.
            if seen is not None and seen.phase == "Degraded" and self._observer.stage is not Stage.STARTING:
                return False
            await self._wall.sleep(_POLL_S)
        return False


def _standstill(seen: Seen, stage: Stage) -> str | None:
    """The name of the time in which the split stands still, None while it may change at any moment."""
    step, index = current_step(seen.view.rollout), current_index(seen.view.rollout)
    if stage is Stage.RELEASING and seen.phase == "Paused" and step is not None and index is not None:
        return f"{index + 1} {step_in_words(step)}"
    if stage is Stage.BEFORE and seen.split == {_OLD: 1.0}:
        return "before the release"
    if stage is Stage.SETTLING and seen.split == {_NEW: 1.0}:
        return "after the last step"
    return None
