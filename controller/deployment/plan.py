"""What a Deployment's controller would do now: pure, from the Deployment and its ReplicaSets as last seen."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from controller.deployment.rolling import rolling_replicas
from controller.deployment.status import status_of
from controller.owned import controller_reference
from meshsim.api.core import ReplicaSet
from meshsim.api.decode import Object, decode, encode
from meshsim.api.kinds import DEPLOYMENT, REPLICA_SET
from meshsim.api.workloads import POD_TEMPLATE_HASH_LABEL, REVISION_ANNOTATION, Deployment, DeploymentStatus
from meshsim.kit.timestamps import from_rfc3339

_HASH_LETTERS: Final = "bcdfghjklmnpqrstvwxz2456789"
_COPIED_NOT: Final = ("kubectl.kubernetes.io/last-applied-configuration", REVISION_ANNOTATION)


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do, and what to report."""

    status: DeploymentStatus
    create: Object | None = None
    scale: Mapping[str, int] = field(default_factory=dict)
    """Replicas by the name of the ReplicaSet."""
    revise: Mapping[str, str] = field(default_factory=dict)
    """Revisions by the name of the ReplicaSet."""
    revision: str = ""
    """What the Deployment itself is annotated with."""
    delete: tuple[str, ...] = ()
    wake_at: float | None = None
    """When the progress deadline will have passed."""


def plan(deployment: Deployment, owned: Sequence[ReplicaSet], now: float) -> Plan:
    """Decide from the ReplicaSets that the Deployment owns; `now` and `wake_at` are Unix seconds."""
    replica_sets = sorted(owned, key=_age)
    new = next((each for each in replica_sets if is_of_template(each, deployment.spec.template)), None)
    old = [each for each in replica_sets if each is not new]
    status, wake_at = status_of(deployment, new, old, now)
    if deployment.metadata.deletion_timestamp:
        return Plan(status)
    revision = str(max((_revision(each) for each in old), default=0) + 1)
    if new is not None and _revision(new) >= int(revision):
        revision = str(_revision(new))
    if new is None and not deployment.spec.paused and _may_create(deployment, old):
        created = _new_replica_set(deployment, revision)
        created["spec"]["replicas"] = _first_replicas(deployment, old, created)
        return Plan(status, create=created, revision=revision, wake_at=wake_at)
    return Plan(
        status,
        scale=_scale(deployment, new, old),
        revise={} if new is None or _revision(new) == int(revision) else {new.metadata.name: revision},
        revision=revision if new is not None else "",
        delete=_forgotten(deployment, old),
        wake_at=wake_at,
    )


def is_of_template(replica_set: ReplicaSet, template: Object) -> bool:
    """Whether its pods are those of the template, the label that tells templates apart left aside."""
    return _without_hash(replica_set.spec.template) == _without_hash(template)


def template_hash(template: Object) -> str:
    """Ten letters that stand for a template."""
    digest = hashlib.sha256(json.dumps(template, sort_keys=True).encode()).digest()
    return "".join(_HASH_LETTERS[byte % len(_HASH_LETTERS)] for byte in digest[:10])


def _without_hash(template: Object) -> Object:
    metadata = template.get("metadata") or {}
    labels = {name: value for name, value in (metadata.get("labels") or {}).items() if name != POD_TEMPLATE_HASH_LABEL}
    kept = {name: value for name, value in metadata.items() if name not in ("labels", "creationTimestamp") and value}
    return {**template, "metadata": {**kept, "labels": labels}}


def _age(replica_set: ReplicaSet) -> tuple[float, str]:
    return from_rfc3339(replica_set.metadata.creation_timestamp), replica_set.metadata.name


def _revision(replica_set: ReplicaSet) -> int:
    text = replica_set.metadata.annotations.get(REVISION_ANNOTATION, "0")
    return int(text) if text.isdecimal() else 0


def _recreates(deployment: Deployment) -> bool:
    return deployment.spec.strategy.type == "Recreate"


def _may_create(deployment: Deployment, old: Sequence[ReplicaSet]) -> bool:
    """With Recreate no pod of the old may be left, not even one that is ending."""
    return not _recreates(deployment) or not any(each.spec.replicas or each.status.replicas for each in old)


def _new_replica_set(deployment: Deployment, revision: str) -> Object:
    metadata, template = deployment.metadata, deployment.spec.template
    label = {POD_TEMPLATE_HASH_LABEL: template_hash(template)}
    template_metadata = template.get("metadata") or {}
    labels = {**(template_metadata.get("labels") or {}), **label}
    selector = encode(deployment.spec.selector)
    return {
        "apiVersion": REPLICA_SET.api_version,
        "kind": REPLICA_SET.kind,
        "metadata": {
            "name": f"{metadata.name}-{label[POD_TEMPLATE_HASH_LABEL]}",
            "namespace": metadata.namespace,
            "labels": labels,
            "annotations": {
                **{name: value for name, value in metadata.annotations.items() if name not in _COPIED_NOT},
                REVISION_ANNOTATION: revision,
            },
            "ownerReferences": [controller_reference(DEPLOYMENT, metadata)],
        },
        "spec": {
            "replicas": 0,
            "minReadySeconds": deployment.spec.min_ready_seconds,
            "selector": {**selector, "matchLabels": {**(selector.get("matchLabels") or {}), **label}},
            "template": {**template, "metadata": {**template_metadata, "labels": labels}},
        },
    }


def _first_replicas(deployment: Deployment, old: Sequence[ReplicaSet], created: Object) -> int:
    if _recreates(deployment):
        return deployment.spec.replicas
    empty = decode(ReplicaSet, created)
    return rolling_replicas(deployment, empty, old).get(empty.metadata.name, 0)


def _scale(deployment: Deployment, new: ReplicaSet | None, old: Sequence[ReplicaSet]) -> Mapping[str, int]:
    if deployment.spec.paused:
        return _paused_scale(deployment, [*old, *(() if new is None else (new,))])
    if not _recreates(deployment):
        return rolling_replicas(deployment, new, old)
    down = {each.metadata.name: 0 for each in old if each.spec.replicas}
    if new is not None and not down and new.spec.replicas != deployment.spec.replicas:
        return {new.metadata.name: deployment.spec.replicas}
    return down


def _paused_scale(deployment: Deployment, everything: Sequence[ReplicaSet]) -> Mapping[str, int]:
    """Only the size is followed, by the ReplicaSet that has the pods."""
    active = [each for each in everything if each.spec.replicas]
    if len(active) != 1 or active[0].spec.replicas == deployment.spec.replicas:
        return {}
    return {active[0].metadata.name: deployment.spec.replicas}


def _forgotten(deployment: Deployment, old: Sequence[ReplicaSet]) -> tuple[str, ...]:
    """The oldest ones beyond the history limit that have no pods, once the update is through."""
    empty = [each for each in old if not each.spec.replicas and not each.status.replicas]
    surplus = len(empty) - deployment.spec.revision_history_limit
    return tuple(each.metadata.name for each in sorted(empty, key=_revision)[: max(surplus, 0)])
