"""Evictions: a pod is deleted unless a disruption budget needs it."""

from meshsim.api.kinds import POD, POD_DISRUPTION_BUDGET
from meshsim.api.meta import Key
from meshsim.apiserver import refusals
from meshsim.apiserver.refusals import Cause
from meshsim.apiserver.registry import Registry
from meshsim.apiserver.storage.selection import Selection
from meshsim.apiserver.writing.deletion import DeleteOptions
from meshsim.apiserver.writing.disruption import check_budgets


def evict(registry: Registry, key: Key, options: DeleteOptions, *, dry_run: bool = False) -> None:
    """Delete a pod; raises ApiError with code 429 when a budget needs it."""
    there = Selection(key.namespace)
    budgets = registry.select(POD_DISRUPTION_BUDGET, there)
    pods = registry.select(POD, there) if budgets else []
    reason = check_budgets(registry.get(POD, key), budgets, pods)
    if reason:
        message = "Cannot evict pod as it would violate the pod's disruption budget."
        raise refusals.too_many_requests(message, 0, [Cause("", reason, "DisruptionBudget")])
    registry.delete(POD, key, options, dry_run=dry_run)
