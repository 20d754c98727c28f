"""The life of one container: started, probed, restarted when it ends, stopped.

create → run → startup probe → liveness and readiness probes … it ends → back-off → run again
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from meshsim.api.core import Container, Pod, Probe
from meshsim.api.lag import Lags
from meshsim.kit.clock import Clock, LoopClock
from meshsim.kit.tasks import TaskOwner
from meshsim.runtime.containers.container_state import ContainerState, Terminated
from meshsim.runtime.containers.containers import KILLED, Exit, Sandbox, StartRefusedError
from meshsim.runtime.containers.events import PodEvent
from meshsim.runtime.containers.hooks import run_hook
from meshsim.runtime.containers.probes import Probed, Verdict, attempt
from meshsim.runtime.containers.restarts import CrashBackoff, policy_of, restarts
from meshsim.runtime.containers.running import ContainerRuntime, RunningContainer
from meshsim.runtime.tasks import log_failure, within

_CREATION_S: Final = 1.0
_REFUSED_AGAIN_S: Final = 10.0
_LEAVE_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a container needs of its pod and its node."""

    clock: Clock
    runtime: ContainerRuntime
    lags: Lags
    sandbox: Sandbox
    pod: Callable[[], Pod]
    changed: Callable[[], None]
    """Told when the state is another."""
    tell: Callable[[PodEvent], None]
    """Told what people want to know."""


class ContainerWorker:
    """Runs one container of a pod. `state` is how it is."""

    def __init__(self, container: Container, state: ContainerState, around: Surroundings) -> None:
        self.container = container
        self.state = state
        self.running: RunningContainer | None = None
        self._before: RunningContainer | None = None
        self._around = around
        self._pod_changed = asyncio.Event()
        self._started = asyncio.Event()
        self._is_retired = False
        self._backoff = CrashBackoff()

    def update(self, pod: Pod) -> None:
        """The pod has changed."""
        self._pod_changed.set()
        if self.running is not None:
            self.running.update(pod)

    async def run(self) -> None:
        """Keep it running until its restartPolicy says that it is done."""
        if self.state.terminated is not None and not self._restarts(self.state.terminated.exit):
            return
        resumes = self.state.running_since is not None and self._around.runtime.is_seamless(self.container)
        if self.state.running_since is not None and not resumes:
            self._note_lost(self.state.running_since)
        if not resumes:
            await self._around.clock.sleep(_CREATION_S)
        while not self._is_retired:
            started = await self._start()
            if not resumes:
                self._tell_of_start(started)
            self._before, self.running = self.running, started
            started_at = self.state.running_since if resumes else None
            resumes = False
            ended = await self._supervise(self.running, started_at)
            if not self._restarts(ended.exit):
                return
            await self._wait_to_restart(ended)

    @property
    def is_running(self) -> bool:
        """It has started and not ended."""
        return self.running is not None and self.state.running_since is not None

    @property
    def previous(self) -> RunningContainer | None:
        """The run that `lastState` is about, whose output is still asked for; while it waits, the one that ended."""
        waits = self.running is not None and self.running.exit is not None and self.state.terminated is None
        return self.running if waits else self._before

    async def has_started(self) -> None:
        """Wait until it runs and its startup probe has passed."""
        await self._started.wait()

    def give_up_connections(self) -> None:
        """It will be ended soon: let clients go elsewhere."""
        if self.running is not None:
            self.running.give_up_connections()

    async def end(self) -> None:
        """Run the preStop hook, ask it to end and wait until it has: it may take for ever."""
        if self.running is not None and self.is_running:
            self._tell("Killing", f"Stopping container {self.container.name}")
            await run_hook("preStop", self._probed(self.running), self._around.clock)
            await self.running.stop()

    async def retire(self) -> None:
        """End it within its pod's grace period, and never start it again."""
        self._is_retired = True
        await within(self._around.clock, self._around.pod().spec.termination_grace_period_seconds, self.end())
        self.kill()

    async def leave(self) -> None:
        """The node itself ends: ask the container to end, and don't wait long."""
        if self.running is not None:
            await within(LoopClock(), _LEAVE_S, self.running.stop())
            self.running.kill()

    def kill(self) -> None:
        """End it at once."""
        if self.running is not None:
            self.running.kill()

    def _note_lost(self, since: float) -> None:
        """The run that was reported has ended with the node that had it."""
        lost = Terminated(
            Exit(KILLED, "Error", "the node restarted"), since, self._around.clock.now(), self.state.restarts
        )
        self._note(ContainerState(last=lost, restarts=self.state.restarts + 1))

    def _restarts(self, ended: Exit) -> bool:
        return not self._is_retired and restarts(policy_of(self._around.pod(), self.container), ended)

    def _note(self, state: ContainerState) -> None:
        self.state = state
        if state.started:
            self._started.set()
        self._around.changed()

    async def _start(self) -> RunningContainer:
        """Start it, however often that is refused."""
        while True:
            self._pod_changed.clear()
            try:
                started = await self._around.runtime.start(self._around.pod(), self.container, self._around.sandbox)
            except StartRefusedError as refusal:
                reason, message = refusal.reason, refusal.message
            else:
                return started
            if (self.state.waiting_reason, self.state.waiting_message) != (reason, message):
                self._warn("Failed", f"Error: {message}")
                state = ContainerState(restarts=self.state.restarts, last=self.state.last)
                self._note(replace(state, waiting_reason=reason, waiting_message=message))
            await within(self._around.clock, _REFUSED_AGAIN_S, self._pod_changed.wait())

    async def _supervise(self, running: RunningContainer, started_at: float | None) -> Terminated:
        """Watch over one run until it is over; returns how it ended."""
        since = self._around.clock.now() if started_at is None else started_at
        # A program that could not even start was never running, and so never ready.
        if running.exit is None:
            await self._watch_over(running, since)
        ended = Terminated(await running.wait(), since, self._around.clock.now(), self.state.restarts)
        self._note(replace(self.state, running_since=None, started=False, ready=False, terminated=ended))
        return ended

    async def _watch_over(self, running: RunningContainer, since: float) -> None:
        """Until it ends by itself or is unhealthy: then end it."""
        async with TaskOwner(log_failure) as tasks:
            exited = tasks.start(running.wait(), f"exit of {self.container.name}")
            unhealthy = tasks.start(self._watch_health(running, since, tasks), f"health of {self.container.name}")
            await asyncio.wait((exited, unhealthy), return_when=asyncio.FIRST_COMPLETED)
        if running.exit is None:
            message = f"Container {self.container.name} failed liveness probe, will be restarted"
            self._tell("Killing", message)
            grace_s = self._around.pod().spec.termination_grace_period_seconds
            await within(self._around.clock, grace_s, running.stop())
            running.kill()

    async def _watch_health(self, running: RunningContainer, since: float, tasks: TaskOwner) -> None:
        """Returns when the container must be restarted: a hook, its startup or its liveness probe has failed."""
        probed = self._probed(running)
        if self.state.running_since is None and not await run_hook("postStart", probed, self._around.clock):
            return
        if self.state.running_since is None:
            self._note(ContainerState(running_since=since, restarts=self.state.restarts, last=self.state.last))
        startup = self.container.startup_probe
        if startup is not None and not self.state.started and not await self._starts_up(startup, probed):
            return
        self._note(replace(self.state, started=True, ready=self.state.ready or self.container.readiness_probe is None))
        if self.container.readiness_probe is not None:
            tasks.start(self._probe_readiness(self.container.readiness_probe, probed), "readiness")
        await self._until_dead(self.container.liveness_probe, probed)

    async def _passes(self, name: str, probe: Probe, probed: Probed) -> bool:
        problem = await attempt(probe, probed)
        if problem:
            self._warn("Unhealthy", f"{name} probe failed: {problem}")
        return not problem

    def _tell_of_start(self, started: RunningContainer) -> None:
        image = self.container.image
        self._tell("Pulled", f'Container image "{image}" already present on machine')
        self._tell("Created", f"Created container: {self.container.name}")
        if not _is_stillborn(started.exit):
            self._tell("Started", f"Started container {self.container.name}")
        for missing in started.missing:
            self._warn("FailedMount", missing)

    def _tell(self, reason: str, message: str) -> None:
        self._around.tell(PodEvent("Normal", reason, message, self.container.name))

    def _warn(self, reason: str, message: str) -> None:
        self._around.tell(PodEvent("Warning", reason, message, self.container.name))

    def _probed(self, running: RunningContainer) -> Probed:
        return Probed(self.container, self._around.sandbox, running)

    async def _starts_up(self, probe: Probe, probed: Probed) -> bool:
        """Probe until it has started, or has failed to."""
        await self._around.clock.sleep(probe.initial_delay_seconds)
        verdict = Verdict()
        while not verdict.passing:
            verdict = verdict.after(await self._passes("Startup", probe, probed), probe)
            if verdict.failures >= probe.failure_threshold:
                return False
            if not verdict.passing:
                await self._around.clock.sleep(max(probe.period_seconds, 1))
        return True

    async def _probe_readiness(self, probe: Probe, probed: Probed) -> None:
        verdict = Verdict(passing=self.state.ready)
        await self._around.clock.sleep(probe.initial_delay_seconds)
        while True:
            verdict = verdict.after(await self._passes("Readiness", probe, probed), probe)
            if verdict.passing != self.state.ready:
                await self._around.clock.sleep(self._around.lags["readiness"])
                self._note(replace(self.state, ready=verdict.passing))
            await self._around.clock.sleep(max(probe.period_seconds, 1))

    async def _until_dead(self, probe: Probe | None, probed: Probed) -> None:
        """Probe until it is no longer alive; without a probe it is for ever."""
        if probe is None:
            await asyncio.get_running_loop().create_future()
            return
        await self._around.clock.sleep(probe.initial_delay_seconds)
        verdict = Verdict(passing=True)
        while verdict.passing:
            verdict = verdict.after(await self._passes("Liveness", probe, probed), probe)
            await self._around.clock.sleep(max(probe.period_seconds, 1) if verdict.passing else 0)

    async def _wait_to_restart(self, ended: Terminated) -> None:
        wait_s = self._backoff.after(ended.finished_at - ended.started_at)
        if wait_s > 0.0:
            metadata = self._around.pod().metadata
            name, pod = self.container.name, f"{metadata.name}_{metadata.namespace}({metadata.uid})"
            self._warn("BackOff", f"Back-off restarting failed container {name} in pod {pod}")
            message = f"back-off {_minutes_and_seconds(wait_s)} restarting failed container={name} pod={pod}"
            self._note(
                replace(
                    self.state,
                    terminated=None,
                    last=ended,
                    waiting_reason="CrashLoopBackOff",
                    waiting_message=message,
                )
            )
            await self._around.clock.sleep(wait_s)
        self.state = replace(self.state, terminated=None, last=ended, restarts=self.state.restarts + 1)
        await self._around.clock.sleep(_CREATION_S)


def _is_stillborn(ended: Exit | None) -> bool:
    """There was nothing to run."""
    return ended is not None and ended.why == "StartError"


def _minutes_and_seconds(seconds: float) -> str:
    """As Go prints a duration: `40s`, `1m20s`, `5m0s`."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"
