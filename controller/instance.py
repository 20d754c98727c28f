"""Which objects are this controller's, where several share a cluster: Argo's instance id. Pure.

A Rollout, an analysis or an experiment belongs to the controller whose id its label names; without the label, to the
controller without an id.
"""

from collections.abc import Mapping
from typing import Final

from meshsim.api.kinds import (
    ANALYSIS_RUN,
    ANALYSIS_TEMPLATE,
    CLUSTER_ANALYSIS_TEMPLATE,
    EXPERIMENT,
    ROLLOUT,
    Kind,
)

INSTANCE_LABEL: Final = "argo-rollouts.argoproj.io/controller-instance-id"
_DIVIDED: Final = (ROLLOUT, EXPERIMENT, ANALYSIS_RUN, ANALYSIS_TEMPLATE, CLUSTER_ANALYSIS_TEMPLATE)


def instance_selectors(instance_id: str) -> dict[Kind, str]:
    """Of each kind that controllers share out, the label selector of the objects that are one's own."""
    selector = f"{INSTANCE_LABEL}={instance_id}" if instance_id else f"!{INSTANCE_LABEL}"
    return dict.fromkeys(_DIVIDED, selector)


def instance_labels(labels: Mapping[str, str]) -> dict[str, str]:
    """Of an object's labels, the one that what is created for it must have too."""
    instance_id = labels.get(INSTANCE_LABEL)
    return {INSTANCE_LABEL: instance_id} if instance_id else {}
