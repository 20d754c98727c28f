"""The status of a pod as the kubelet writes it: pure, from what runs and what was written before."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import msgspec

from meshsim.api.core import TERMINAL_PHASES, Container, Pod
from meshsim.api.decode import Object, encode
from meshsim.api.meta import Condition
from meshsim.kit.timestamps import to_rfc3339
from meshsim.runtime.containers.container_state import ContainerState, container_status


@dataclass(frozen=True, slots=True)
class Place:
    """Where a pod runs. Before its containers run it has no address."""

    host_ip: str
    pod_ip: str = ""


States = Mapping[str, ContainerState]
"""How the containers of a pod are, init containers too, by their names."""


DEADLINE_EXCEEDED: Final = "DeadlineExceeded"
DEADLINE_MESSAGE: Final = "Pod was active on the node longer than the specified deadline"


def pod_status(pod: Pod, states: States, place: Place, now: float, *, is_overdue: bool = False) -> Object:
    """The status to write. Conditions that others set, readiness gates among them, are kept as last seen.

    A pod that is overdue was ended because it had been active for as long as it may be.
    """
    phase = "Failed" if is_overdue else phase_of(pod, states)
    status: Object = {
        "phase": phase,
        "conditions": [encode(condition) for condition in _conditions(pod, states, phase, now)],
        "hostIP": place.host_ip,
        "hostIPs": [{"ip": place.host_ip}],
        "startTime": pod.status.start_time or to_rfc3339(now),
        "containerStatuses": [container_status(pod, each, states[each.name]) for each in _by_name(pod.spec.containers)],
    }
    if pod.spec.init_containers:
        status["initContainerStatuses"] = [
            container_status(pod, each, states[each.name]) for each in pod.spec.init_containers
        ]
    if is_overdue:
        status |= {"reason": DEADLINE_EXCEEDED, "message": DEADLINE_MESSAGE}
    if place.pod_ip:
        status["podIP"] = place.pod_ip
        status["podIPs"] = [{"ip": place.pod_ip}]
    return status


def phase_of(pod: Pod, states: States) -> str:
    """The pod's phase (kubelet getPhase): Pending until every container has run once."""
    policy = pod.spec.restart_policy
    prepared = [states[each.name].terminated for each in pod.spec.initializers]
    if policy == "Never" and any(ended is not None and ended.exit.code for ended in prepared):
        return "Failed"
    main = [states[each.name] for each in pod.spec.containers]
    if not all(state.has_run for state in main):
        return "Pending"
    ended = [state.terminated for state in main if state.terminated is not None]
    sidecars_run = any(states[each.name].running_since is not None for each in pod.spec.sidecars)
    if policy == "Always" or len(ended) < len(main) or sidecars_run:
        return "Running"
    if not any(each.exit.code for each in ended):
        return "Succeeded"
    return "Failed" if policy == "Never" else "Running"


def _by_name(containers: Iterable[Container]) -> list[Container]:
    return sorted(containers, key=lambda container: container.name)


def _conditions(pod: Pod, states: States, phase: str, now: float) -> Iterable[Condition]:
    containers_ready = _containers_ready(pod, states, phase)
    ready = containers_ready if containers_ready.status != "True" else _ready(pod)
    has_begun = any(state.has_run for state in states.values())
    own = (
        Condition(type="PodReadyToStartContainers", status="True" if has_begun else "False"),
        _initialized(pod, states, phase),
        msgspec.structs.replace(ready, type="Ready"),
        containers_ready,
        Condition(type="PodScheduled", status="True"),
    )
    before = {condition.type: condition for condition in pod.status.conditions}
    for condition in own:
        yield _stamped(condition, before.pop(condition.type, None), now)
    yield from before.values()


def _initialized(pod: Pod, states: States, phase: str) -> Condition:
    """Once a container that is no init container has run, the pod has been initialized for good."""
    if phase == "Succeeded":
        return Condition(type="Initialized", status="True", reason="PodCompleted")
    incomplete = [
        each.name
        for each in pod.spec.init_containers
        if not (states[each.name].started if each.is_sidecar else states[each.name].has_succeeded)
    ]
    if not incomplete or any(states[each.name].has_run for each in pod.spec.containers):
        return Condition(type="Initialized", status="True")
    message = f"containers with incomplete status: [{' '.join(incomplete)}]"
    return Condition(type="Initialized", status="False", reason="ContainersNotInitialized", message=message)


def _containers_ready(pod: Pod, states: States, phase: str) -> Condition:
    if phase in TERMINAL_PHASES:
        return Condition(
            type="ContainersReady", status="False", reason="PodCompleted" if phase == "Succeeded" else "PodFailed"
        )
    expected = (*pod.spec.sidecars, *pod.spec.containers)
    unready = " ".join(each.name for each in expected if not states[each.name].ready)
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
