"""Edits of the DestinationRule whose subsets tell a rollout's versions apart."""

from collections.abc import Sequence

from meshsim.api.decode import Object
from meshsim.api.rollouts import HASH_LABEL, MANAGED_BY_ANNOTATION, IstioDestinationRule, Rollout, WeightDestination


def with_hashes(
    rollout: Rollout,
    rule: Object,
    reference: IstioDestinationRule,
    hashes: tuple[str, str],
    additional: Sequence[WeightDestination] = (),
) -> Object:
    """The DestinationRule with its subsets selecting these versions: hashes of canary and stable.

    Subsets other than these two and the experiments' are dropped, also those in `additionalSubsetNames`: Argo does so.
    """
    canary_hash, stable_hash = hashes
    experiments = {item.service_name: item.pod_template_hash for item in additional}
    subsets: list[Object] = []
    # Argo writes the host even where there is none.
    spec: Object = {"host": "", **(rule.get("spec") or {})}
    for subset in spec.get("subsets") or []:
        name = subset.get("name")
        if name == reference.canary_subset_name:
            subsets.append(_selecting(subset, canary_hash))
        elif name == reference.stable_subset_name:
            subsets.append(_selecting(subset, stable_hash))
        elif name in experiments:
            subsets.append(_selecting(subset, experiments.pop(name)))
    subsets += [{"name": name, "labels": {HASH_LABEL: pod_hash}} for name, pod_hash in experiments.items()]
    metadata = rule["metadata"]
    annotations = (metadata.get("annotations") or {}) | {MANAGED_BY_ANNOTATION: rollout.metadata.name}
    return rule | {
        "metadata": metadata | {"annotations": annotations},
        "spec": spec | {"subsets": subsets},
    }


def released(rule: Object) -> Object:
    """The DestinationRule as it was before a rollout managed it: no hashes, no mark."""
    metadata = dict(rule["metadata"])
    annotations = {k: v for k, v in (metadata.get("annotations") or {}).items() if k != MANAGED_BY_ANNOTATION}
    metadata["annotations"] = annotations
    subsets = [_selecting(subset, "") for subset in (rule.get("spec") or {}).get("subsets") or []]
    return rule | {"metadata": metadata, "spec": (rule.get("spec") or {}) | {"subsets": subsets}}


def selects_hash(rule: Object | None, pod_hash: str) -> bool:
    """Whether a subset of the DestinationRule selects that version."""
    subsets = ((rule or {}).get("spec") or {}).get("subsets") or []
    return any((subset.get("labels") or {}).get(HASH_LABEL) == pod_hash for subset in subsets)


def _selecting(subset: Object, pod_hash: str) -> Object:
    labels = {key: value for key, value in (subset.get("labels") or {}).items() if key != HASH_LABEL}
    return subset | {"labels": labels | ({HASH_LABEL: pod_hash} if pod_hash else {})}
