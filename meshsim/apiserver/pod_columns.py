"""What a pod's row says: kubectl's READY, STATUS and RESTARTS, reckoned as Kubernetes' printer does. Pure."""

from dataclasses import dataclass

from meshsim.api.decode import Object
from meshsim.api.loose import mapping, mappings


@dataclass(frozen=True, slots=True)
class PodCells:
    """The cells that take more than a look at one field."""

    ready: str
    status: str
    restarts: int
    gates: str


def pod_cells(pod: Object) -> PodCells:
    """The cells of a pod."""
    spec, status = mapping(pod.get("spec")), mapping(pod.get("status"))
    containers = mappings(status.get("containerStatuses"))
    ready = sum(bool(each.get("ready")) and "running" in mapping(each.get("state")) for each in containers)
    total = len(mappings(spec.get("containers")))
    return PodCells(
        ready=f"{ready}/{total}",
        status=_status(pod, status, containers),
        restarts=sum(each["restartCount"] for each in containers if isinstance(each.get("restartCount"), int)),
        gates=_gates(spec, status),
    )


def _status(pod: Object, status: Object, containers: list[Object]) -> str:
    reason = str(status.get("reason") or status.get("phase") or "Unknown")
    running = False
    for container in reversed(containers):
        state = mapping(container.get("state"))
        waiting, terminated = mapping(state.get("waiting")), mapping(state.get("terminated"))
        if waiting.get("reason"):
            reason = str(waiting["reason"])
        elif terminated:
            reason = str(terminated.get("reason") or _ending(terminated))
        elif container.get("ready") and "running" in state:
            running = True
    if reason == "Completed" and running:
        reason = "Running" if _is_true(status, "Ready") else "NotReady"
    if not pod["metadata"].get("deletionTimestamp"):
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
