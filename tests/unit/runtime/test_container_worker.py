"""Unit tests of the life of one container, on a clock that jumps."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from meshsim.api.core import Pod
from meshsim.api.decode import decode
from meshsim.api.lag import Lags
from meshsim.kit.clock import VirtualClock
from meshsim.kit.tasks import TaskOwner
from meshsim.runtime.containers.container_state import ContainerState
from meshsim.runtime.containers.container_worker import ContainerWorker, Surroundings
from meshsim.runtime.containers.containers import Sandbox, StartRefusedError
from meshsim.runtime.containers.events import PodEvent
from tests.kits.containers import ScriptedContainer, ScriptedRuntime

pytestmark = pytest.mark.asyncio


class Life:
    """One container's worker and what it runs on."""

    def __init__(self, *, policy: str = "Always", state: ContainerState | None = None, **container: Any) -> None:
        spec = {"containers": [{"name": "web", **container}], "restartPolicy": policy}
        self.pod = decode(Pod, {"metadata": {"name": "a", "namespace": "default", "uid": "u"}, "spec": spec})
        self.clock = VirtualClock()
        self.runtime = ScriptedRuntime()
        self.lags = Lags()
        sandbox = Sandbox("127.0.0.1", {})
        self.told: list[PodEvent] = []
        self.noted: list[ContainerState] = []
        around = Surroundings(
            clock=self.clock,
            runtime=self.runtime,
            lags=self.lags,
            sandbox=sandbox,
            pod=lambda: self.pod,
            changed=lambda: self.noted.append(self.worker.state),
            tell=self.told.append,
        )
        self.worker = ContainerWorker(self.pod.spec.containers[0], state or ContainerState(), around)

    @property
    def state(self) -> ContainerState:
        return self.worker.state

    @property
    def running(self) -> ScriptedContainer:
        return self.runtime.started[-1]


@asynccontextmanager
async def living(life: Life) -> AsyncIterator[Life]:
    async with TaskOwner() as tasks:
        tasks.start(life.worker.run(), "container")
        yield life
    life.worker.kill()


async def test_a_container_runs_a_second_after_it_was_asked_for() -> None:
    async with living(Life()) as life:
        await life.clock.advance(0.9)
        assert (life.runtime.started, life.state.running_since) == ([], None)
        await life.clock.advance(0.1)
        assert (life.state.running_since, life.state.started, life.state.ready) == (life.clock.now(), True, True)


async def test_a_container_that_crashes_is_restarted_at_once_then_after_longer_and_longer() -> None:
    async with living(Life()) as life:
        await life.clock.advance(1)
        waits = []
        for _ in range(4):
            crashed_at, runs = life.clock.now(), len(life.runtime.started)
            life.running.end(3)
            while len(life.runtime.started) == runs:
                await life.clock.advance(0.5)
            waits.append(life.clock.now() - crashed_at - 1)
        assert waits == [0, 10, 20, 40]
        assert life.state.restarts == 4
        assert life.state.last is not None
        assert (life.state.last.exit.code, life.state.last.exit.why, life.state.last.run) == (3, "Error", 3)


async def test_a_program_that_cannot_start_is_never_running_and_never_ready() -> None:
    life = Life()
    life.runtime.cannot_start = True
    async with living(life):
        await life.clock.advance(60)
    assert len(life.runtime.started) > 2
    assert not [state for state in life.noted if state.running_since is not None or state.ready]
    assert life.state.last is not None
    assert life.state.last.exit.why == "StartError"


async def test_a_container_in_back_off_says_so() -> None:
    async with living(Life()) as life:
        await life.clock.advance(1)
        life.running.end(1)
        await life.clock.advance(1)
        life.running.end(1)
        await life.clock.advance(5)
        assert (life.state.waiting_reason, life.state.waiting_message) == (
            "CrashLoopBackOff",
            "back-off 10s restarting failed container=web pod=a_default(u)",
        )
        assert (life.state.restarts, life.state.running_since, life.state.ready) == (1, None, False)


async def test_the_previous_run_is_the_one_that_the_last_state_is_about() -> None:
    async with living(Life()) as life:
        await life.clock.advance(1)
        assert life.worker.previous is None
        for _ in range(2):
            first = life.running
            life.running.end(1)
            await life.clock.advance(0.5)
            assert life.worker.previous is first, "while it waits"
            await life.clock.advance(20)
            assert (life.worker.previous, life.worker.running) == (first, life.running), "while the next one runs"


async def test_of_a_container_that_has_ended_for_good_the_last_run_is_not_the_previous_one() -> None:
    async with living(Life(policy="Never")) as life:
        await life.clock.advance(1)
        life.running.end(1)
        await life.clock.advance(1)
        assert (life.worker.running, life.worker.previous) == (life.running, None)


@pytest.mark.parametrize(("policy", "code"), [("Never", 0), ("Never", 2), ("OnFailure", 0)])
async def test_a_container_that_is_done_stays_ended(policy: str, code: int) -> None:
    async with living(Life(policy=policy)) as life:
        await life.clock.advance(1)
        life.running.end(code)
        await life.clock.advance(1000)
        assert len(life.runtime.started) == 1
        assert life.state.terminated is not None
        assert life.state.terminated.exit.code == code


async def test_a_refused_container_says_why_and_is_tried_again_in_time_or_when_its_pod_changes() -> None:
    life = Life()
    life.runtime.refusal = StartRefusedError("ImagePullBackOff", "no such image")
    async with living(life):
        await life.clock.advance(1)
        assert (life.state.waiting_reason, life.state.waiting_message) == ("ImagePullBackOff", "no such image")
        life.runtime.refusal = None
        life.worker.update(life.pod)
        await life.clock.advance(0)
        assert life.state.running_since is not None
    life = Life()
    life.runtime.refusal = StartRefusedError("ImagePullBackOff", "no such image")
    async with living(life):
        await life.clock.advance(5)
        life.runtime.refusal = None
        await life.clock.advance(10)
        assert life.state.running_since is not None


async def test_nothing_is_probed_before_the_startup_probe_has_passed() -> None:
    life = Life(
        startupProbe={"exec": {"command": ["startup"]}, "periodSeconds": 2, "failureThreshold": 10},
        readinessProbe={"exec": {"command": ["ready"]}},
        livenessProbe={"exec": {"command": ["live"]}},
    )
    life.runtime.answers["startup"] = 1
    async with living(life):
        await life.clock.advance(10)
        assert set(life.running.executed) == {"startup"}
        assert (life.state.started, life.state.ready) == (False, False)
        life.runtime.answers["startup"] = 0
        await life.clock.advance(2)
        assert set(life.running.executed) == {"startup", "ready", "live"}
        assert (life.state.started, life.state.ready) == (True, True)


async def test_a_container_that_never_starts_up_is_restarted() -> None:
    life = Life(startupProbe={"exec": {"command": ["startup"]}, "periodSeconds": 2, "failureThreshold": 3})
    life.runtime.answers["startup"] = 1
    async with living(life):
        await life.clock.advance(4.9)
        assert life.state.restarts == 0
        await life.clock.advance(1.2)
        assert (life.state.restarts, len(life.runtime.started)) == (1, 2)


async def test_a_container_that_is_no_longer_alive_is_stopped_and_restarted() -> None:
    life = Life(livenessProbe={"exec": {"command": ["live"]}, "initialDelaySeconds": 5, "periodSeconds": 3})
    async with living(life):
        await life.clock.advance(30)
        first = life.running
        life.runtime.answers["live"] = 1
        await life.clock.advance(5)
        assert len(life.runtime.started) == 1
        await life.clock.advance(6)
        assert (first.told[0], len(life.runtime.started), life.state.restarts) == ("stop", 2, 1)


async def test_a_dead_container_that_does_not_stop_is_killed_after_its_grace_period() -> None:
    life = Life(livenessProbe={"exec": {"command": ["live"]}, "failureThreshold": 1, "periodSeconds": 1})
    async with living(life):
        await life.clock.advance(5)
        life.running.ignores_stop = True
        life.runtime.answers["live"] = 1
        await life.clock.advance(30)
        assert life.state.terminated is None
        await life.clock.advance(1.5)
        assert (life.state.last is not None, life.runtime.started[0].told) == (True, ["stop", "kill"])


async def test_a_post_start_hook_holds_the_container_back() -> None:
    async with living(Life(lifecycle={"postStart": {"exec": {"command": ["sleep", "5"]}}})) as life:
        await life.clock.advance(5.9)
        assert (len(life.runtime.started), life.state.running_since) == (1, None)
        await life.clock.advance(0.2)
        assert life.state.running_since is not None


async def test_a_post_start_hook_that_fails_restarts_the_container() -> None:
    life = Life(lifecycle={"postStart": {"exec": {"command": ["warm"]}}})
    life.runtime.answers["warm"] = 1
    async with living(life):
        await life.clock.advance(2.5)
        assert len(life.runtime.started) == 2


async def test_a_pre_stop_hook_runs_before_the_container_is_told_to_stop() -> None:
    async with living(Life(lifecycle={"preStop": {"sleep": {"seconds": 5}}})) as life, TaskOwner() as tasks:
        await life.clock.advance(1)
        end = tasks.start(life.worker.end(), "end")
        await life.clock.advance(4.9)
        assert life.running.told == []
        await life.clock.advance(0.1)
        assert (end.done(), life.running.told) == (True, ["stop"])


async def test_a_worker_that_takes_over_goes_on_from_the_reported_state() -> None:
    state = ContainerState(running_since=1.0, started=True, ready=True, restarts=7)
    async with living(Life(state=state, readinessProbe={"exec": {"command": ["ready"]}})) as life:
        await life.clock.advance(0)
        assert (life.state, len(life.runtime.started)) == (state, 1)
        life.running.end(1)
        await life.clock.advance(1)
        assert life.state.restarts == 8


async def test_a_verdict_that_lags_is_believed_later() -> None:
    life = Life(readinessProbe={"exec": {"command": ["ready"]}})
    life.lags.set({"readiness": 5})
    async with living(life):
        await life.clock.advance(5.9)
        assert (life.state.started, life.state.ready) == (True, False)
        await life.clock.advance(0.2)
        assert life.state.ready


async def test_a_container_that_is_retired_ends_and_does_not_start_again() -> None:
    async with living(Life()) as life, TaskOwner() as tasks:
        await life.clock.advance(1)
        life.running.ignores_stop = True
        retirement = tasks.start(life.worker.retire(), "retirement")
        await life.clock.advance(29)
        assert (retirement.done(), life.running.told) == (False, ["stop"])
        await life.clock.advance(1000)
        assert (retirement.done(), life.running.told, len(life.runtime.started)) == (True, ["stop", "kill"], 1)
        assert life.state.terminated is not None


async def test_a_container_that_is_retired_in_its_back_off_does_not_start_again() -> None:
    async with living(Life()) as life:
        for _ in range(2):
            await life.clock.advance(1)
            life.running.end(1)
        await life.clock.advance(1)
        assert life.state.waiting_reason == "CrashLoopBackOff"
        await life.worker.retire()
        await life.clock.advance(1000)
        assert len(life.runtime.started) == 2


_USUAL = {
    ("Normal", "Pulled", 'Container image "web:v1" already present on machine'),
    ("Normal", "Created", "Created container: web"),
    ("Normal", "Started", "Started container web"),
}


async def test_a_containers_start_and_end_are_told() -> None:
    life = Life(image="web:v1")
    async with living(life):
        await life.clock.advance(1)
        assert [event.reason for event in life.told] == ["Pulled", "Created", "Started"]
        await life.worker.end()
    assert {(event.type, event.reason, event.message) for event in life.told} == {
        *_USUAL,
        ("Normal", "Killing", "Stopping container web"),
    }


async def test_what_a_container_does_not_get_is_told() -> None:
    life = Life()
    life.runtime.missing = ("no such volume here",)
    async with living(life):
        await life.clock.advance(1)
    assert (life.told[-1].type, life.told[-1].reason, life.told[-1].message) == (
        "Warning",
        "FailedMount",
        "no such volume here",
    )


async def test_what_goes_wrong_is_told() -> None:
    life = Life(
        image="web:v1",
        readinessProbe={"exec": {"command": ["ready"]}, "periodSeconds": 3},
        livenessProbe={"exec": {"command": ["live"]}, "failureThreshold": 1, "initialDelaySeconds": 5},
    )
    life.runtime.answers |= {"ready": 1, "live": 2}
    life.runtime.refusal = StartRefusedError("ImagePullBackOff", "no such image")
    async with living(life):
        await life.clock.advance(1)
        life.runtime.refusal = None
        await life.clock.advance(30)
        life.running.end(3)
        await life.clock.advance(2)
    told = {(event.type, event.reason, event.message) for event in life.told}
    assert told - _USUAL == {
        ("Warning", "Failed", "Error: no such image"),
        ("Warning", "Unhealthy", "Readiness probe failed: command ended with 1"),
        ("Warning", "Unhealthy", "Liveness probe failed: command ended with 2"),
        ("Normal", "Killing", "Container web failed liveness probe, will be restarted"),
        ("Warning", "BackOff", "Back-off restarting failed container web in pod a_default(u)"),
    }
