"""The status of a pod as the kubelet writes it: pure, from what runs and what was written before."""

import hashlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

import msgspec

from meshsim.api.core import Container, Pod
from meshsim.api.decode import Object, encode
from meshsim.api.meta import Condition
from meshsim.kit.timestamps import from_rfc3339, to_rfc3339
from meshsim.runtime.containers import Exit


@dataclass(frozen=True, slots=True)
class Terminated:
    """A run of a container that is over; instants are Unix seconds."""

    exit: Exit
    started_at: float
    finished_at: float
    run: int = 0
    """How many runs were before it."""


@dataclass(frozen=True, slots=True)
class ContainerState:
    """How one container is: running, or terminated, or waiting for a reason."""

    running_since: float | None = None
    started: bool = False
    """Its startup probe has passed."""
    ready: bool = False
    terminated: Terminated | None = None
    waiting_reason: str = "ContainerCreating"
    waiting_message: str = ""
    restarts: int = 0
    last: Terminated | None = None
    """Its run before this one."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a pod runs. Before its containers run it has no address."""

    host_ip: str
    pod_ip: str = ""


def pod_status(pod: Pod, states: Mapping[str, ContainerState], place: Place, now: float) -> Object:
    """The status to write. Conditions that others set, readiness gates among them, are kept as last seen."""
    phase = phase_of(pod.spec.restart_policy, states.values())
    status: Object = {
        "phase": phase,
        "conditions": [encode(condition) for condition in _conditions(pod, states, phase, now)],
        "hostIP": place.host_ip,
        "hostIPs": [{"ip": place.host_ip}],
        "startTime": pod.status.start_time or to_rfc3339(now),
        "containerStatuses": [_container_status(pod, container, states[container.name]) for container in _by_name(pod)],
    }
    if place.pod_ip:
        status["podIP"] = place.pod_ip
        status["podIPs"] = [{"ip": place.pod_ip}]
    return status


def phase_of(restart_policy: str, states: Collection[ContainerState]) -> str:
    """The pod's phase (kubelet getPhase): Pending until every container has run once."""
    if any(state.running_since is None and state.terminated is None and state.last is None for state in states):
        return "Pending"
    if restart_policy == "Always" or any(state.terminated is None for state in states):
        return "Running"
    codes = [state.terminated.exit.code for state in states if state.terminated is not None]
    if not any(codes):
        return "Succeeded"
    return "Failed" if restart_policy == "Never" else "Running"


def state_before(pod: Pod, container: Container) -> ContainerState:
    """How the container was when a node last reported it, so that a node that restarts goes on from there."""
    for status in pod.status.container_statuses:
        if status.get("name") != container.name:
            continue
        state = status.get("state") or {}
        running = state.get("running")
        restarts = int(status.get("restartCount") or 0)
        return ContainerState(
            running_since=from_rfc3339(running["startedAt"]) if running else None,
            started=bool(running and status.get("started")),
            ready=bool(running and status.get("ready")),
            restarts=restarts,
            terminated=_terminated_before(state, restarts),
            last=_terminated_before(status.get("lastState") or {}, restarts - 1),
        )
    return ContainerState()


def _by_name(pod: Pod) -> list[Container]:
    return sorted(pod.spec.containers, key=lambda container: container.name)


def _conditions(pod: Pod, states: Mapping[str, ContainerState], phase: str, now: float) -> Iterable[Condition]:
    containers_ready = _containers_ready(states, phase)
    ready = containers_ready if containers_ready.status != "True" else _ready(pod)
    own = (
        Condition(type="PodReadyToStartContainers", status="False" if phase == "Pending" else "True"),
        Condition(type="Initialized", status="True"),
        msgspec.structs.replace(ready, type="Ready"),
        containers_ready,
        Condition(type="PodScheduled", status="True"),
    )
    before = {condition.type: condition for condition in pod.status.conditions}
    for condition in own:
        yield _stamped(condition, before.pop(condition.type, None), now)
    yield from before.values()


def _containers_ready(states: Mapping[str, ContainerState], phase: str) -> Condition:
    if phase in ("Succeeded", "Failed"):
        return Condition(
            type="ContainersReady", status="False", reason="PodCompleted" if phase == "Succeeded" else "PodFailed"
        )
    unready = " ".join(sorted(name for name, state in states.items() if not state.ready))
    if not unready:
        return Condition(type="ContainersReady", status="True")
    message = f"containers with unready status: [{unready}]"
    return Condition(type="ContainersReady", status="False", reason="ContainersNotReady", message=message)


def _ready(pod: Pod) -> Condition:
    """Whether every readiness gate is open."""
    seen = {condition.type: condition.status for condition in pod.status.conditions}
    problems = []
    for gate in pod.spec.readiness_gates:
        status = seen.get(gate.condition_type)
        if status is None:
            problems.append(f'corresponding condition of pod readiness gate "{gate.condition_type}" does not exist.')
        elif status != "True":
            problems.append(f'the status of pod readiness gate "{gate.condition_type}" is not "True", but {status}')
    if not problems:
        return Condition(type="Ready", status="True")
    return Condition(type="Ready", status="False", reason="ReadinessGatesNotReady", message=", ".join(problems))


def _stamped(condition: Condition, before: Condition | None, now: float) -> Condition:
    unchanged = before is not None and before.status == condition.status
    since = before.last_transition_time if before is not None and unchanged else to_rfc3339(now)
    return msgspec.structs.replace(condition, last_transition_time=since)


def _container_status(pod: Pod, container: Container, state: ContainerState) -> Object:
    has_run = state.running_since is not None or state.terminated is not None or state.last is not None
    status: Object = {
        "name": container.name,
        "image": container.image,
        "imageID": container.image if has_run else "",
        "ready": state.ready,
        "started": state.started,
        "restartCount": state.restarts,
        "state": _state(pod, container, state),
        "lastState": {} if state.last is None else _terminated(pod, container, state.last),
    }
    if has_run:
        status["containerID"] = container_id(pod, container, state.restarts)
    return status


def container_id(pod: Pod, container: Container, restarts: int) -> str:
    """What one run of a container is called."""
    identity = f"{pod.metadata.uid}/{container.name}/{restarts}"
    return f"meshsim://{hashlib.sha256(identity.encode()).hexdigest()}"


def _state(pod: Pod, container: Container, state: ContainerState) -> Object:
    if state.running_since is not None:
        return {"running": {"startedAt": to_rfc3339(state.running_since)}}
    if state.terminated is not None:
        return _terminated(pod, container, state.terminated)
    waiting = {"reason": state.waiting_reason, "message": state.waiting_message}
    return {"waiting": {name: text for name, text in waiting.items() if text}}


def _terminated(pod: Pod, container: Container, run: Terminated) -> Object:
    ended: Object = {
        "exitCode": run.exit.code,
        "reason": run.exit.why,
        "startedAt": to_rfc3339(run.started_at),
        "finishedAt": to_rfc3339(run.finished_at),
        "containerID": container_id(pod, container, run.run),
    }
    return {"terminated": ended | ({"message": run.exit.message} if run.exit.message else {})}


def _terminated_before(state: Object, run: int) -> Terminated | None:
    ended = state.get("terminated")
    if not ended:
        return None
    how = Exit(int(ended["exitCode"]), ended.get("reason") or "", ended.get("message") or "")
    return Terminated(how, from_rfc3339(ended["startedAt"]), from_rfc3339(ended["finishedAt"]), run)
