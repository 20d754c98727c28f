"""Kubernetes' `policy` group, as far as it is emulated: how many pods may be taken away at a time."""

from meshsim.api.decode import Wire
from meshsim.api.meta import Condition, LabelSelector, ObjectMeta


class PodDisruptionBudgetSpec(Wire, frozen=True):
    """Which pods, and how many of them must stay or may go: a count, or a share. Without either, one must stay.

    No selector selects nothing, an empty one every pod of the namespace.
    """

    selector: LabelSelector | None = None
    min_available: int | str | None = None
    max_unavailable: int | str | None = None


class BudgetCondition(Condition, frozen=True):
    """A metav1.Condition: it also says which generation of the spec it is about."""

    observed_generation: int = 0


class PodDisruptionBudgetStatus(Wire, frozen=True):
    """How things stand. Its counters are on the wire even when they are zero."""

    disruptions_allowed: int
    current_healthy: int
    desired_healthy: int
    expected_pods: int
    observed_generation: int = 0
    conditions: tuple[BudgetCondition, ...] = ()


class PodDisruptionBudget(Wire, frozen=True):
    """Says how many of some pods an eviction must leave; `status` is None until a controller has looked."""

    metadata: ObjectMeta
    spec: PodDisruptionBudgetSpec = PodDisruptionBudgetSpec()
    status: PodDisruptionBudgetStatus | None = None
