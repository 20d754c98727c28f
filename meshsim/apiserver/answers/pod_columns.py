"""What a pod's row says: kubectl's READY, STATUS and RESTARTS, reckoned as Kubernetes' printer does. Pure."""

from collections.abc import Set
from dataclasses import dataclass

from meshsim.api.core import TERMINAL_PHASES
from meshsim.api.decode import Object
from meshsim.api.loose import mapping, mappings


@dataclass(frozen=True, slots=True)
class PodCells:
    """The cells that take more than a look at one field."""

    ready: str
    status: str
    restarts: int
    restarted_at: str
    """When the last restarted container had ended, RFC 3339; empty without one."""
    gates: str


def pod_cells(pod: Object) -> PodCells:
    """The cells of a pod."""
    spec, status = mapping(pod.get("spec")), mapping(pod.get("status"))
    sidecars = {each.get("name") for each in mappings(spec.get("initContainers")) if _is_sidecar(each)}
    prepared, containers = mappings(status.get("initContainerStatuses")), mappings(status.get("containerStatuses"))
    beside = [each for each in prepared if each.get("name") in sidecars]
    preparing = _preparing(prepared, sidecars, len(mappings(spec.get("initContainers"))))
    has_begun = not preparing or _is_true(status, "Initialized")
    counted = [*beside, *containers] if has_begun else prepared
    ready = [*(each for each in beside if each.get("started")), *(containers if has_begun else ())]
    return PodCells(
        ready=f"{sum(map(_is_ready, ready))}/{len(sidecars) + len(mappings(spec.get('containers')))}",
        status=_status(pod, status, containers if has_begun else [], preparing),
        restarts=sum(each["restartCount"] for each in counted if isinstance(each.get("restartCount"), int)),
        restarted_at=max(map(_ended_before, counted), default=""),
        gates=_gates(spec, status),
    )


def _is_sidecar(container: Object) -> bool:
    return container.get("restartPolicy") == "Always"


def _is_ready(container: Object) -> bool:
    return bool(container.get("ready")) and "running" in mapping(container.get("state"))


def _ended_before(container: Object) -> str:
    ended = mapping(mapping(container.get("lastState")).get("terminated")).get("finishedAt")
    return ended if isinstance(ended, str) else ""


def _preparing(prepared: list[Object], sidecars: Set[object], total: int) -> str:
    """What the first init container says that has not done its work yet; empty when all have."""
    for index, container in enumerate(prepared):
        state = mapping(container.get("state"))
        waiting, terminated = mapping(state.get("waiting")), mapping(state.get("terminated"))
        is_done = bool(terminated) and not terminated.get("exitCode")
        if is_done or (container.get("name") in sidecars and container.get("started")):
            continue
        if terminated:
            return f"Init:{terminated.get('reason') or _ending(terminated)}"
        if waiting.get("reason") not in (None, "", "PodInitializing"):
            return f"Init:{waiting['reason']}"
        return f"Init:{index}/{total}"
    return ""


def _status(pod: Object, status: Object, containers: list[Object], preparing: str) -> str:
    reason = preparing or str(status.get("reason") or status.get("phase") or "Unknown")
    running = False
    for container in reversed(containers):
        state = mapping(container.get("state"))
        waiting, terminated = mapping(state.get("waiting")), mapping(state.get("terminated"))
        if waiting.get("reason"):
            reason = str(waiting["reason"])
        elif terminated:
            reason = str(terminated.get("reason") or _ending(terminated))
        elif _is_ready(container):
            running = True
    if reason == "Completed" and running:
        reason = "Running" if _is_true(status, "Ready") else "NotReady"
    if not pod["metadata"].get("deletionTimestamp") or status.get("phase") in TERMINAL_PHASES:
        return reason
    return "Unknown" if status.get("reason") == "NodeLost" else "Terminating"


def _ending(terminated: Object) -> str:
    if terminated.get("signal"):
        return f"Signal:{terminated['signal']}"
    return f"ExitCode:{terminated.get('exitCode', 0)}"


def _gates(spec: Object, status: Object) -> str:
    gates = [str(gate.get("conditionType")) for gate in mappings(spec.get("readinessGates"))]
    return f"{sum(_is_true(status, gate) for gate in gates)}/{len(gates)}" if gates else "<none>"


def _is_true(status: Object, condition: str) -> bool:
    conditions = mappings(status.get("conditions"))
    return any(each.get("type") == condition and each.get("status") == "True" for each in conditions)
