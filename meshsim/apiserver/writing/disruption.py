"""PodDisruptionBudgets: how many of some pods may be taken away at a time. Pure."""

from collections.abc import Sequence
from typing import Any

from meshsim.api.decode import FieldError, Object, decode
from meshsim.api.loose import at, mapping, mappings
from meshsim.api.meta import LabelSelector


def check_budgets(pod: Object, budgets: Sequence[Object], pods: Sequence[Object]) -> str:
    """Why the pod may not be evicted, empty when it may; budgets and pods are those of its namespace.

    A pod that is not ready counts for no budget, so that its going takes nothing away.
    """
    if not _is_ready(pod):
        return ""
    for budget in budgets:
        selector = _selector(budget)
        if selector is None or not selector.matches(_labels(pod)):
            continue
        covered = [each for each in pods if selector.matches(_labels(each))]
        needed = _needed(mapping(budget.get("spec")), len(covered))
        healthy = sum(_is_ready(each) and "deletionTimestamp" not in each["metadata"] for each in covered)
        if healthy <= needed:
            name = budget["metadata"]["name"]
            return f"The disruption budget {name} needs {needed} healthy pods and has {healthy} currently"
    return ""


def _selector(budget: Object) -> LabelSelector | None:
    try:
        return decode(LabelSelector, mapping(budget.get("spec")).get("selector"))
    except FieldError:
        return None


def _is_ready(pod: Object) -> bool:
    conditions = mappings(at("status.conditions")(pod))
    return any(each.get("type") == "Ready" and each.get("status") == "True" for each in conditions)


def _labels(obj: Object) -> dict[str, str]:
    return obj["metadata"].get("labels") or {}


def _needed(spec: Object, covered: int) -> int:
    if "maxUnavailable" in spec:
        return covered - _amount(spec["maxUnavailable"], covered)
    return _amount(spec.get("minAvailable", 1), covered)


def _amount(value: Any, of: int) -> int:
    """A number, or a share of so many, rounded up; what is neither counts as none."""
    if isinstance(value, int):
        return value
    share = str(value).removesuffix("%")
    return -(-int(share) * of // 100) if share.isascii() and share.isdigit() and len(share) < 4 else 0
