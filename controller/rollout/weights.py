"""How much traffic the canary gets now, and what of the mesh has to follow."""

from collections.abc import Sequence
from dataclasses import dataclass

from controller.rollout import hazards
from controller.rollout.draft import Draft, StoppedError
from controller.rollout.mesh import remove_managed_routes, set_header_route, set_mirror_route, set_weight, update_hashes
from controller.rollout.replicas import at_desired_counts, desired_canary_weight, threshold_met
from controller.rollout.rules import ArgoVersion
from controller.rollout.services import point_service
from controller.rollout.steps import current_experiment_step, previous_set_weight
from meshsim.api.progress import current_index, current_set_weight, current_step, max_weight
from meshsim.api.rollouts import TrafficWeights, WeightDestination
from meshsim.api.routes import canary_of


@dataclass(frozen=True, slots=True)
class Split:
    """The share of the canary version, and of the experiments beside it."""

    weight: int
    canary_hash: str
    additional: tuple[WeightDestination, ...] = ()


def reconcile_traffic(draft: Draft) -> None:
    """Bring the mesh to the split that the steps and the pods allow, and note it in the status."""
    if canary_of(draft.rollout).traffic_routing is None:
        draft.set_canary_status(weights=None)
        return
    split = _decide(draft)
    if not _stable_can_bear(draft, max_weight(draft.rollout) - split.weight):
        # Nothing moves: not even downwards.
        hazards.weight_stays(draft, split.weight)
        return
    _set_step_routes(draft)
    before, new = draft.rollout.status.canary.weights, draft.new
    has_no_pods = new is None or new.available == 0
    if has_no_pods and before is not None and before.canary.weight > 0 and not _is_old(draft):
        # Traffic leaves before the subsets select a version without pods.
        _set_weight(draft, split)
    stable = draft.stable
    stable_hash = stable.hash if stable else ""
    update_hashes(draft, split.canary_hash, stable_hash, split.additional)
    _set_weight(draft, split)
    _note(draft, split, stable_hash)


def _decide(draft: Draft) -> Split:
    """The first branch that holds decides; the order is Argo's."""
    new, weights, rollout = draft.new, draft.rollout.status.canary.weights, draft.rollout
    canary_hash = new.hash if new else ""
    if draft.is_rolling_back_dynamically and weights is not None:
        return Split(weight_on_the_way_back(draft), weights.canary.pod_template_hash)
    if draft.is_fully_promoted:
        remove_managed_routes(draft)
        return Split(0, canary_hash)
    if draft.is_aborted:
        return Split(_aborted_weight(draft), canary_hash)
    if new is None or new.available == 0:
        if not _is_old(draft):
            remove_managed_routes(draft)
        return Split(0, canary_hash, _experiment_shares(draft))
    if rollout.status.promote_full:
        remove_managed_routes(draft)
        return Split(_full_promotion_weight(draft), canary_hash)
    return _step_split(draft, canary_hash)


def _aborted_weight(draft: Draft) -> int:
    weight, canary = weight_on_the_way_back(draft), canary_of(draft.rollout)
    if weight == 0 or not canary.dynamic_stable_scale:
        point_service(draft, canary.canary_service, draft.stable, when_available=False)
    remove_managed_routes(draft)
    return weight


def _full_promotion_weight(draft: Draft) -> int:
    """The weight stays as it is, the Services will move; with `dynamicStableScale` it follows the pods."""
    weights, new = draft.rollout.status.canary.weights, draft.new
    if draft.rules.argo_version == ArgoVersion.V1_1:
        hazards.weight_at_once(draft, max_weight(draft.rollout))
        return max_weight(draft.rollout)
    if canary_of(draft.rollout).dynamic_stable_scale and new is not None:
        return max_weight(draft.rollout) * new.available // draft.replicas if draft.replicas else 0
    return weights.canary.weight if weights else 0


def _step_split(draft: Draft, canary_hash: str) -> Split:
    index = current_index(draft.rollout)
    if index is None:
        return Split(0, canary_hash)
    if not at_desired_counts(draft.rollout, draft.new, draft.stable, draft.others, None):
        weight = previous_set_weight(draft.rollout)
        hazards.weight_before_pods(draft, weight)
        return Split(weight, canary_hash, _experiment_shares(draft))
    if index != len(canary_of(draft.rollout).steps):
        return Split(current_set_weight(draft.rollout), canary_hash, _experiment_shares(draft))
    return Split(max_weight(draft.rollout), canary_hash)


def weight_on_the_way_back(draft: Draft) -> int:
    """The canary's share while an update is taken back.

    Zero at once, except with `dynamicStableScale`: then it goes down the steps, each when stable can bear it.
    """
    canary, stable, new = canary_of(draft.rollout), draft.stable, draft.new
    if not canary.dynamic_stable_scale or stable is None or new is None or draft.replicas == 0:
        return 0
    most, weights = max_weight(draft.rollout), draft.rollout.status.canary.weights
    if _is_old(draft):
        return _old_weight_on_the_way_back(draft, most - most * stable.available // draft.replicas)
    wanted = desired_canary_weight(draft.rollout, new, stable)
    bearable = most * stable.available // draft.replicas
    if weights is None:
        return max(0, most - bearable, wanted)
    current = weights.canary.weight
    if wanted <= 0:
        # Never up again when stable pods come and go.
        return min(max(0, most - bearable), current)
    return current if bearable < most - wanted else min(wanted, current)


def _is_old(draft: Draft) -> bool:
    return draft.rules.is_before_availability_checks


def _old_weight_on_the_way_back(draft: Draft, weight: int) -> int:
    """What stable can't bear yet; since 1.2 never more than there is."""
    weights = draft.rollout.status.canary.weights
    if weights is None or draft.rules.argo_version == ArgoVersion.V1_1:
        return weight
    return min(weight, weights.canary.weight)


def _experiment_shares(draft: Draft) -> tuple[WeightDestination, ...]:
    step, experiment = current_experiment_step(draft.rollout), draft.experiment
    if step is None or experiment is None or experiment.status.phase != "Running":
        return ()
    shares = {template.name: template.weight for template in step.templates}
    return tuple(
        WeightDestination(
            weight=weight, service_name=template.service_name, pod_template_hash=template.pod_template_hash
        )
        for template in experiment.status.template_statuses
        if (weight := shares.get(template.name)) is not None
    )


def _stable_can_bear(draft: Draft, weight: int) -> bool:
    stable = draft.stable
    if _is_old(draft):
        return True
    if stable is None:
        return False
    needed = weight * draft.replicas // max_weight(draft.rollout)
    threshold = canary_of(draft.rollout).replica_progress_threshold
    return stable.available >= needed or threshold_met(threshold, stable, needed)


def _set_step_routes(draft: Draft) -> None:
    step = current_step(draft.rollout)
    if step is None or draft.revision <= 1:
        return
    if step.set_header_route is not None:
        set_header_route(draft, step.set_header_route)
    if step.set_mirror_route is not None:
        set_mirror_route(draft, step.set_mirror_route)


def _set_weight(draft: Draft, split: Split) -> None:
    try:
        set_weight(draft, split.weight, split.additional)
    except StoppedError as stopped:
        draft.warn("TrafficRoutingError", str(stopped))
        raise


def _note(draft: Draft, split: Split, stable_hash: str) -> None:
    canary, before = canary_of(draft.rollout), draft.rollout.status.canary.weights
    stable_weight = max_weight(draft.rollout) - split.weight - sum(share.weight for share in split.additional)
    now = TrafficWeights(
        canary=WeightDestination(
            weight=split.weight, service_name=canary.canary_service, pod_template_hash=split.canary_hash
        ),
        stable=WeightDestination(
            weight=stable_weight, service_name=canary.stable_service, pod_template_hash=stable_hash
        ),
        additional=split.additional,
    )
    if before is None or (before.canary, before.stable, before.additional) != (now.canary, now.stable, now.additional):
        draft.emit("TrafficWeightUpdated", f"Traffic weight updated {_what_moved(before, now)}")
    draft.set_canary_status(weights=now)


def _what_moved(before: TrafficWeights | None, now: TrafficWeights) -> str:
    """Empty when only the versions changed, not the weights."""
    if before is None:
        return f"to {now.canary.weight}"
    details = []
    if before.canary.weight != now.canary.weight:
        details.append(f"from {before.canary.weight} to {now.canary.weight}")
    if before.additional != now.additional:
        details.append(f"additional: {_go_print(now.additional)}")
    return ", ".join(details)


def _go_print(shares: Sequence[WeightDestination]) -> str:
    """As Go prints a list of structs."""
    return f"[{' '.join(f'{{{s.weight} {s.service_name} {s.pod_template_hash}}}' for s in shares)}]"
