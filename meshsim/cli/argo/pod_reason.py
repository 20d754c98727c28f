"""What Argo's plugin says of a pod in one word, from its status on the wire. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from meshsim.api.decode import Object

_GOING: Final = frozenset({"Pending", "Terminating", "ContainerCreating"})
_GOOD: Final = frozenset({"Running", "Completed"})
_BAD: Final = frozenset({"Failed", "InvalidImageName", "CrashLoopBackOff"})
_WARNING: Final = frozenset({"ImagePullBackOff", "RegistryUnavailable"})


@dataclass(frozen=True, slots=True)
class PodState:
    """A pod in a word, its ready containers of all, and how often its containers were restarted."""

    reason: str
    ready: str
    restarts: int


def pod_state(pod: Object) -> PodState:
    """The state of a pod, the first container that is in trouble speaking for it."""
    spec, status = pod.get("spec") or {}, pod.get("status") or {}
    total = len(spec.get("containers") or [])
    reason = str(status.get("reason") or status.get("phase") or "")
    init_statuses = status.get("initContainerStatuses") or []
    init_reason, restarts = _init_reason(spec.get("initContainers") or [], init_statuses)
    ready = 0
    if init_reason:
        reason = init_reason
    else:
        statuses = status.get("containerStatuses") or []
        restarts = sum(int(one.get("restartCount") or 0) for one in statuses)
        ready = sum(_is_running(one) for one in statuses)
        reason = _containers_reason(statuses) or reason
        if reason == "Completed" and ready:
            reason = "Running"
    if (pod.get("metadata") or {}).get("deletionTimestamp"):
        reason = "Unknown" if status.get("reason") == "NodeLost" else "Terminating"
    return PodState(reason, f"{ready}/{total}", restarts)


def pod_icon(reason: str) -> str:
    """The icon of a pod's state."""
    if reason.startswith(("Signal:", "ExitCode:")) or reason in _BAD:
        return "✖"
    if reason.endswith("Error") or reason.startswith("Err") or reason in _WARNING:
        return "⚠"
    if reason.startswith("Init:") or reason in _GOING:
        return "◌"
    if reason in _GOOD:
        return "✔"
    return "?" if reason == "Unknown" else " "


def _is_running(container: Object) -> bool:
    state = container.get("state") or {}
    return bool(container.get("ready")) and "running" in state and not _waiting_or_ended(container)


def _containers_reason(statuses: Sequence[Object]) -> str:
    """The reason of the first container that has one."""
    return next((reason for reason in map(_waiting_or_ended, statuses) if reason), "")


def _waiting_or_ended(container: Object) -> str:
    state = container.get("state") or {}
    waiting = (state.get("waiting") or {}).get("reason")
    return str(waiting or _ended(state.get("terminated")))


def _ended(terminated: Object | None) -> str:
    if terminated is None:
        return ""
    if terminated.get("reason"):
        return str(terminated["reason"])
    signal = terminated.get("signal")
    return f"Signal:{signal}" if signal else f"ExitCode:{terminated.get('exitCode') or 0}"


def _init_reason(containers: Sequence[Object], statuses: Sequence[Object]) -> tuple[str, int]:
    """Why the pod is still initialising, empty when it isn't; and the restarts of the init containers so far."""
    sidecars = {one["name"] for one in containers if one.get("restartPolicy") == "Always"}
    restarts = 0
    for index, status in enumerate(statuses):
        restarts += int(status.get("restartCount") or 0)
        state = status.get("state") or {}
        terminated = state.get("terminated")
        if terminated is not None:
            if terminated.get("exitCode") or terminated.get("signal"):
                return f"Init:{_ended(terminated)}", restarts
            continue
        if status.get("name") in sidecars and status.get("started"):
            if status.get("ready"):
                continue
            return "", restarts
        waiting = (state.get("waiting") or {}).get("reason") or "PodInitializing"
        if waiting != "PodInitializing":
            return f"Init:{waiting}", restarts
        return f"Init:{index}/{len(containers)}", restarts
    return "", restarts
