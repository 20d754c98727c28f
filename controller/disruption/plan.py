"""What a disruption budget's status would say now: pure. The rules are Kubernetes' (disruption.go)."""

from collections.abc import Mapping, Sequence

from meshsim.api.core import Pod, ReplicaSet
from meshsim.api.kinds import DEPLOYMENT
from meshsim.api.policy import BudgetCondition, PodDisruptionBudget, PodDisruptionBudgetStatus
from meshsim.api.workloads import Deployment
from meshsim.kit.timestamps import to_rfc3339


def status_of(budget: PodDisruptionBudget, pods: Sequence[Pod], scale: int, now: float) -> PodDisruptionBudgetStatus:
    """From the pods that it selects and how many those who keep them want; `now` is Unix seconds."""
    desired, expected = _desired_and_expected(budget, len(pods), scale)
    healthy = sum(pod.is_ready and not pod.is_terminating for pod in pods)
    allowed = max(healthy - desired, 0) if expected > 0 else 0
    generation = budget.metadata.generation
    return PodDisruptionBudgetStatus(
        disruptions_allowed=allowed,
        current_healthy=healthy,
        desired_healthy=desired,
        expected_pods=expected,
        observed_generation=generation,
        conditions=(_condition(budget, allowed > 0, generation, now),),
    )


def scale_of(pods: Sequence[Pod], replica_sets: Mapping[str, ReplicaSet], deployments: Mapping[str, Deployment]) -> int:
    """How many pods the keepers of these want, each counted once; both are by uid.

    A Deployment speaks for its ReplicaSets; a Rollout does not, each of its ReplicaSets counts. Pods that nobody
    keeps, and those of Jobs, are not counted.
    """
    wanted: dict[str, int] = {}
    for pod in pods:
        owner = pod.metadata.controller
        replica_set = None if owner is None else replica_sets.get(owner.uid)
        if replica_set is None:
            continue
        keeper = replica_set.metadata.controller
        if keeper is None or keeper.kind != DEPLOYMENT.kind:
            wanted[replica_set.metadata.uid] = replica_set.spec.replicas
        elif keeper.uid in deployments:
            wanted[keeper.uid] = deployments[keeper.uid].spec.replicas
    return sum(wanted.values())


def _desired_and_expected(budget: PodDisruptionBudget, pods: int, scale: int) -> tuple[int, int]:
    spec = budget.spec
    if spec.max_unavailable is not None:
        return max(scale - _amount(spec.max_unavailable, scale), 0), scale
    if isinstance(spec.min_available, str):
        return _amount(spec.min_available, scale), scale
    return 1 if spec.min_available is None else spec.min_available, pods


def _amount(value: int | str, of: int) -> int:
    """A number, or a share of so many, rounded up; what is neither counts as none."""
    if isinstance(value, int):
        return value
    share = value.removesuffix("%")
    return -(-int(share) * of // 100) if share.isascii() and share.isdigit() and len(share) < 4 else 0


def _condition(budget: PodDisruptionBudget, is_allowed: bool, generation: int, now: float) -> BudgetCondition:
    """As it was while it says the same."""
    status = "True" if is_allowed else "False"
    known = () if budget.status is None else budget.status.conditions
    before = next((each for each in known if each.type == "DisruptionAllowed" and each.status == status), None)
    return BudgetCondition(
        type="DisruptionAllowed",
        status=status,
        reason="SufficientPods" if is_allowed else "InsufficientPods",
        last_transition_time=to_rfc3339(now) if before is None else before.last_transition_time,
        observed_generation=generation,
    )
