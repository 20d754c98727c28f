"""What both strategies of a Rollout have in common."""

from typing import Final

from meshsim.api.rollouts import AntiAffinity
from meshsim.api.validate.fields import invalid
from meshsim.api.validate.findings import Findings

MISSING_FIELD: Final = "Rollout has missing field '{}'"


def check_anti_affinity(path: str, affinity: AntiAffinity | None) -> Findings:
    """Exactly one kind of anti-affinity."""
    if affinity is None:
        return
    preferred, is_required = affinity.preferred, affinity.required is not None
    if (preferred is not None) == is_required:
        value = (
            f"antiAffinity.PreferredDuringSchedulingIgnoredDuringExecution: {_go_bool(preferred is not None)} "
            f"antiAffinity.RequiredDuringSchedulingIgnoredDuringExecution: {_go_bool(is_required)}"
        )
        yield invalid(path, value, "AntiAffinity must have exactly one strategy listed")
    if preferred is not None and not 1 <= preferred.weight <= 100:
        yield invalid(f"{path}.weight", preferred.weight, "AntiAffinity weight must be between 1-100")


def _go_bool(value: bool) -> str:
    return "true" if value else "false"
