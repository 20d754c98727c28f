"""The status of a pod as the kubelet writes it: pure, from what runs and what was written before."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from meshsim.api.core import Container, Pod
from meshsim.api.decode import Object, encode
from meshsim.api.meta import Condition
from meshsim.kit.timestamps import to_rfc3339


@dataclass(frozen=True, slots=True)
class ContainerState:
    """How one container is; one that doesn't run waits, for a reason and with a message."""

    running_since: float | None = None
    ready: bool = False
    waiting_reason: str = "ContainerCreating"
    waiting_message: str = ""
    restarts: int = 0


@dataclass(frozen=True, slots=True)
class Place:
    """Where a pod runs. Before its containers run it has no address."""

    host_ip: str
    pod_ip: str = ""


def pod_status(pod: Pod, states: Mapping[str, ContainerState], place: Place, now: float) -> Object:
    """The status to write. Conditions that others set, readiness gates among them, are kept as last seen."""
    status: Object = {
        "phase": "Running" if all(state.running_since is not None for state in states.values()) else "Pending",
        "conditions": [encode(condition) for condition in _conditions(pod, states, now)],
        "hostIP": place.host_ip,
        "hostIPs": [{"ip": place.host_ip}],
        "startTime": pod.status.start_time or to_rfc3339(now),
        "containerStatuses": [_container_status(pod, container, states[container.name]) for container in _by_name(pod)],
    }
    if place.pod_ip:
        status["podIP"] = place.pod_ip
        status["podIPs"] = [{"ip": place.pod_ip}]
    return status


def _by_name(pod: Pod) -> list[Container]:
    return sorted(pod.spec.containers, key=lambda container: container.name)


def _conditions(pod: Pod, states: Mapping[str, ContainerState], now: float) -> Iterable[Condition]:
    started = all(state.running_since is not None for state in states.values())
    containers_ready = _containers_ready(states)
    ready = containers_ready if containers_ready.status != "True" else _ready(pod)
    own = (
        Condition(type="PodReadyToStartContainers", status="True" if started else "False"),
        Condition(type="Initialized", status="True"),
        _named("Ready", ready),
        _named("ContainersReady", containers_ready),
        Condition(type="PodScheduled", status="True"),
    )
    before = {condition.type: condition for condition in pod.status.conditions}
    for condition in own:
        yield _stamped(condition, before.pop(condition.type, None), now)
    yield from before.values()


def _containers_ready(states: Mapping[str, ContainerState]) -> Condition:
    unready = " ".join(sorted(name for name, state in states.items() if not state.ready))
    if not unready:
        return Condition(type="", status="True")
    message = f"containers with unready status: [{unready}]"
    return Condition(type="", status="False", reason="ContainersNotReady", message=message)


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
        return Condition(type="", status="True")
    return Condition(type="", status="False", reason="ReadinessGatesNotReady", message=", ".join(problems))


def _named(name: str, condition: Condition) -> Condition:
    return Condition(type=name, status=condition.status, reason=condition.reason, message=condition.message)


def _stamped(condition: Condition, before: Condition | None, now: float) -> Condition:
    unchanged = before is not None and before.status == condition.status
    return Condition(
        type=condition.type,
        status=condition.status,
        reason=condition.reason,
        message=condition.message,
        last_transition_time=before.last_transition_time if before is not None and unchanged else to_rfc3339(now),
    )


def _container_status(pod: Pod, container: Container, state: ContainerState) -> Object:
    running = state.running_since is not None
    status: Object = {
        "name": container.name,
        "image": container.image,
        "imageID": container.image if running else "",
        "ready": state.ready,
        "started": running,
        "restartCount": state.restarts,
        "lastState": {},
    }
    if state.running_since is not None:
        identity = f"{pod.metadata.uid}/{container.name}/{state.restarts}"
        status["containerID"] = f"meshsim://{hashlib.sha256(identity.encode()).hexdigest()}"
        status["state"] = {"running": {"startedAt": to_rfc3339(state.running_since)}}
    else:
        waiting = {"reason": state.waiting_reason, "message": state.waiting_message}
        status["state"] = {"waiting": {name: text for name, text in waiting.items() if text}}
    return status
