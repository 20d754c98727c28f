"""Which Argo Rollouts is emulated, and whether its traps are pointed out."""

from dataclasses import dataclass
from enum import StrEnum


class ArgoVersion(StrEnum):
    """Versions whose rules for traffic differ; everything else is as in the latest."""

    V1_1 = "1.1"
    """A full promotion sends all traffic to the canary at once, ready or not."""
    V1_2 = "1.2"
    """It keeps the weight, or lets it follow the available pods; but stable isn't asked what it can bear."""
    V1_10 = "1.10"


@dataclass(frozen=True, slots=True)
class Rules:
    """What a plan is made by."""

    argo_version: ArgoVersion = ArgoVersion.V1_10
    warns_of_hazards: bool = True
    """Say in a Warning event what is about to go wrong and why, where Argo goes on without a word."""

    @property
    def is_before_availability_checks(self) -> bool:
        """Versions that move weights without asking whether stable can bear them."""
        return self.argo_version in (ArgoVersion.V1_1, ArgoVersion.V1_2)
