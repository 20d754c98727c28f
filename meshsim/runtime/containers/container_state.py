"""How one container of a pod is, and how that is written into the pod's status. Pure."""

import hashlib
from dataclasses import dataclass

from meshsim.api.core import Container, Pod
from meshsim.api.decode import Object
from meshsim.kit.timestamps import from_rfc3339, to_rfc3339
from meshsim.runtime.containers.containers import Exit


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

    @property
    def has_run(self) -> bool:
        """It has started at least once."""
        return self.running_since is not None or self.terminated is not None or self.last is not None

    @property
    def has_succeeded(self) -> bool:
        """It has ended with 0, and is not about to run again."""
        return self.terminated is not None and self.terminated.exit.code == 0


def state_before(pod: Pod, container: Container) -> ContainerState:
    """How the container was when a node last reported it, so that a node that restarts goes on from there."""
    for status in (*pod.status.init_container_statuses, *pod.status.container_statuses):
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
    return ContainerState(waiting_reason="PodInitializing" if pod.spec.init_containers else "ContainerCreating")


def container_status(pod: Pod, container: Container, state: ContainerState) -> Object:
    """The container's entry in the status of its pod."""
    is_initializer = container in pod.spec.initializers
    status: Object = {
        "name": container.name,
        "image": container.image,
        "imageID": container.image if state.has_run else "",
        # What only prepares the pod is ready when it is done.
        "ready": state.has_succeeded if is_initializer else state.ready,
        "started": state.started,
        "restartCount": state.restarts,
        "state": _state(pod, container, state),
        "lastState": {} if state.last is None else _terminated(pod, container, state.last),
    }
    if state.has_run:
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
