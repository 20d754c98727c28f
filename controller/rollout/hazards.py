"""Outages in waiting: what Argo does without a word, said in one sentence before it happens."""

from collections.abc import Sequence
from typing import Any

from controller.rollout.draft import RESYNC_S, Draft
from controller.rollout.versions import Version
from meshsim.api.decode import Object
from meshsim.api.routes import canary_of, destinations_of, short_host, stable_and_canary_services
from meshsim.api.steps import SetCanaryScale


def weight_before_pods(draft: Draft, weight: int) -> None:
    """A step was skipped whose pods are not ready."""
    before, new = draft.rollout.status.canary.weights, draft.new
    if before is None or new is None or weight <= before.canary.weight:
        return
    draft.hazard(
        f"The canary's share goes from {before.canary.weight} % to {weight} % now, though only {new.available} of "
        f"{new.replicas} pods of {new.name} are available: a skipped step gives its weight at once."
    )


def weight_at_once(draft: Draft, weight: int) -> None:
    """The full promotion of old versions."""
    new = draft.new
    if new is not None and new.available < draft.replicas:
        draft.hazard(
            f"{weight} % of the traffic go to {new.name} now, though only {new.available} of {draft.replicas} pods are "
            "available: this version of Argo Rollouts doesn't wait for them when it promotes in full."
        )


def weight_stays(draft: Draft, weight: int) -> None:
    """Stable has too few pods to take traffic back."""
    before, stable = draft.rollout.status.canary.weights, draft.stable
    if before is None or stable is None or weight >= before.canary.weight:
        return
    draft.hazard(
        f"{before.canary.weight} % of the traffic stay with the canary instead of {weight} %: {stable.name} has only "
        f"{stable.available} available pods, too few to take more."
    )


def weight_falls(draft: Draft) -> None:
    """The steps were edited in the middle of an update."""
    before, status = draft.rollout.status.canary.weights, draft.rollout.status
    is_update = status.current_pod_hash and status.stable_rs and status.stable_rs != status.current_pod_hash
    if is_update and before is not None and before.canary.weight > 0:
        draft.hazard(
            f"The canary's share falls from {before.canary.weight} % to 0 % until the new first step is done: "
            "the steps were edited in the middle of an update, which begins anew."
        )


def active_is_stranded(draft: Draft, service: str, new: Version) -> None:
    """An abort doesn't bring the active Service back while a pod of the new version is not ready."""
    draft.hazard(
        f"Service {service} stays with {new.name} though the update was aborted: only {new.available} of "
        f"{new.replicas} pods are available, and it goes back only when all are. They are scaled to zero all the same."
    )


def kept_for_ever(draft: Draft, version: Version) -> None:
    """A delay of zero sets no deadline."""
    draft.hazard(
        f"ReplicaSet {version.name} keeps its {version.replicas} pods for ever: with scaleDownDelaySeconds 0 "
        "no deadline is set, and without one nothing scales it down."
    )


def gone_without_delay(draft: Draft, version: Version, deadline: float) -> None:
    """A delay beyond the resync period is not honoured."""
    draft.hazard(
        f"ReplicaSet {version.name} is scaled down now instead of in {int(deadline - draft.now)} s: "
        f"an abort delay above {int(RESYNC_S)} s is not waited for."
    )


def gone_at_once(draft: Draft, version: Version, scale: SetCanaryScale | None, replicas: int) -> None:
    """An abort delay of zero keeps the canary only where the first step is a setCanaryScale."""
    is_asked_to_stay = canary_of(draft.rollout).abort_scale_down_delay_seconds == 0
    if draft.is_aborted and is_asked_to_stay and scale is None and replicas < version.replicas:
        draft.hazard(
            f"ReplicaSet {version.name} is scaled down to {replicas} now: abortScaleDownDelaySeconds 0 keeps the "
            "canary only when the first step is a setCanaryScale."
        )


def destinations_go(draft: Draft, name: str, before: Object, after: Object) -> None:
    """Destinations that the rollout doesn't know are deleted with their share."""
    lost = [
        f"{short_host(item)} ({item.get('weight')} %)"
        for old in _routes(before)
        for item in destinations_of(old)
        if item.get("destination") not in _destinations_of_same(old, after)
    ]
    if lost:
        draft.hazard(
            f"VirtualService {name} loses its destination {', '.join(lost)}: the rollout doesn't name it, "
            "and what it doesn't name is deleted from a route it manages."
        )


def experiment_has_another_port(draft: Draft, name: str, before: Object, after: Object) -> None:
    """An experiment's Service has the containers' ports; a sidecar asks it for the port that its own caller named."""
    spec = after["spec"]
    stable, canary = stable_and_canary_services(draft.rollout)
    asked = _service_ports(draft.services.get(stable))
    has = {
        port.get("containerPort")
        for version in (draft.new, draft.stable)
        if version is not None
        for container in ((version.obj["spec"].get("template") or {}).get("spec") or {}).get("containers") or []
        for port in container.get("ports") or []
    }
    if asked & has or not asked or not has or "mesh" not in (spec.get("gateways") or ["mesh"]):
        return
    known = [item.get("destination") for route in _routes(before) for item in destinations_of(route)]
    for item in (item for route in _routes(after) for item in destinations_of(route)):
        destination = item.get("destination") or {}
        if destination not in known and not destination.get("port") and short_host(item) not in (stable, canary):
            draft.hazard(
                f"{item.get('weight')} % of the requests to VirtualService {name} are answered 503 NC: the "
                f"experiment's Service {short_host(item)} has the containers' port {_listed(has)}, {stable} has "
                f"{_listed(asked)}, and the route names none. Give the rollout's Services the containers' port, or the "
                "VirtualService a Gateway."
            )


def _service_ports(service: Object | None) -> set[Any]:
    return {port.get("port") for port in ((service or {}).get("spec") or {}).get("ports") or []}


def _listed(ports: set[Any]) -> str:
    return ", ".join(sorted(map(str, ports)))


def _routes(virtual_service: Object) -> Sequence[Object]:
    return [route for protocol in ("http", "tls", "tcp") for route in virtual_service["spec"].get(protocol) or []]


def _destinations_of_same(route: Object, virtual_service: Object) -> Sequence[Object | None]:
    """The destinations that a route has in another state of its VirtualService, where it may stand elsewhere."""
    same = (
        other
        for other in _routes(virtual_service)
        if (other.get("name"), other.get("match")) == (route.get("name"), route.get("match"))
    )
    return [item.get("destination") for item in destinations_of(next(same, route))]


def subsets_go(draft: Draft, name: str, before: Object, after: Object) -> None:
    """Subsets that aren't the canary's, stable's or an experiment's are dropped."""
    kept = {subset.get("name") for subset in after["spec"].get("subsets") or []}
    lost = [
        subset.get("name") or ""
        for subset in (before.get("spec") or {}).get("subsets") or []
        if subset.get("name") not in kept
    ]
    if lost:
        draft.hazard(
            f"DestinationRule {name} loses its subset {', '.join(lost)}: only the rollout's own subsets are kept, "
            "and routes to another one find no endpoints."
        )
