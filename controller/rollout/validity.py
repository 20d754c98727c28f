"""Whether a rollout can be reconciled at all."""

from controller.rollout.observed import Observed


def first_fault(observed: Observed) -> str:  # noqa: ARG001
    """The first thing that is wrong with the rollout or what it refers to, empty when nothing is."""
    return ""
