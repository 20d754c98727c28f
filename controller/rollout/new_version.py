"""The version of the present pod template: its ReplicaSet is created once and found again."""

from collections.abc import Mapping
from typing import Final

from controller.rollout.actions import Create, Patch
from controller.rollout.affinity import affinity_of, is_outdated
from controller.rollout.conditions import PROGRESSING, find, new, put
from controller.rollout.draft import Draft, StoppedError
from controller.rollout.ephemeral import first_metadata, template_patch
from controller.rollout.observed import Observed
from controller.rollout.template_equality import runs_template
from controller.rollout.versions import Version, version_of, with_hash
from meshsim.api.decode import Object, encode
from meshsim.api.kinds import REPLICA_SET, ROLLOUT
from meshsim.api.merge_patch import merge_patch, patch_between
from meshsim.api.rollouts import (
    DESIRED_REPLICAS_ANNOTATION,
    HASH_LABEL,
    REVISION_ANNOTATION,
    REVISION_HISTORY_ANNOTATION,
)

_NOT_COPIED: Final = frozenset(
    {
        "kubectl.kubernetes.io/last-applied-configuration",
        REVISION_ANNOTATION,
        REVISION_HISTORY_ANNOTATION,
        DESIRED_REPLICAS_ANNOTATION,
        "notified.notifications.argoproj.io",
    }
)


def find_new(observed: Observed) -> Version | None:
    """The version of the present pod template, if it exists: by its hash, else the oldest of the same template."""
    named = with_hash(observed.versions, observed.pod_hash)
    if named is not None:
        return named
    return next((known for known in observed.versions if runs_template(known.obj, observed.rollout)), None)


def owner_reference(observed: Observed) -> Object:
    """What marks an object as the rollout's own."""
    return {
        "apiVersion": ROLLOUT.api_version,
        "kind": ROLLOUT.kind,
        "name": observed.rollout.metadata.name,
        "uid": observed.rollout.metadata.uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }


def create_new(draft: Draft) -> None:
    """Plan the ReplicaSet of the present template, without pods yet, and the rollout's next revision.

    A name that somebody else's ReplicaSet has is a hash collision: counted, and tried again with another hash.
    """
    pod_hash = draft.observed.pod_hash
    name = f"{draft.rollout.metadata.name}-{pod_hash}"
    if draft.observed.is_name_taken:
        count = (draft.rollout.status.collision_count or 0) + 1
        draft.actions.append(
            Patch(ROLLOUT, draft.rollout.metadata.key, {"status": {"collisionCount": count}}, subresource="status")
        )
        raise StoppedError(f'replicasets.apps "{name}" already exists')
    revision = str(_highest_revision(draft.versions) + 1)
    obj = _replica_set(draft, name, pod_hash, revision)
    draft.actions.append(Create(REPLICA_SET, obj))
    draft.put_version(version_of(obj))
    draft.new_name = name
    _set_revision(draft, revision)
    draft.emit("NewReplicaSetCreated", f"Created ReplicaSet {name} (revision {revision})")
    condition = new(PROGRESSING, "True", "NewReplicaSetCreated", f'Created new replica set "{name}"', draft.now)
    draft.status = draft.rollout.status
    draft.set_status(conditions=put(draft.rollout.status.conditions, condition))


def _replica_set(draft: Draft, name: str, pod_hash: str, revision: str) -> Object:
    rollout, template = draft.rollout, draft.rollout.spec.template
    labels = ((template.get("metadata") or {}).get("labels") or {}) | {HASH_LABEL: pod_hash}
    pod_spec = dict(template.get("spec") or {})
    affinity = affinity_of(rollout, template, pod_hash)
    if affinity is not None:
        pod_spec["affinity"] = affinity
    selector: Object = encode(rollout.spec.selector) if rollout.spec.selector else {}
    selector = selector | {"matchLabels": selector.get("matchLabels", {}) | {HASH_LABEL: pod_hash}}
    obj: Object = {
        "apiVersion": REPLICA_SET.api_version,
        "kind": REPLICA_SET.kind,
        "metadata": {
            "name": name,
            "namespace": rollout.metadata.namespace,
            "labels": labels,
            "annotations": _copied(draft.annotations)
            | {REVISION_ANNOTATION: revision, DESIRED_REPLICAS_ANNOTATION: str(draft.replicas)},
            "ownerReferences": [owner_reference(draft.observed)],
        },
        "spec": {
            "replicas": 0,
            "minReadySeconds": rollout.spec.min_ready_seconds,
            "selector": selector,
            "template": template
            | {"metadata": (template.get("metadata") or {}) | {"labels": labels}, "spec": pod_spec},
        },
    }
    metadata = first_metadata(rollout, has_stable=draft.stable is not None)
    return merge_patch(obj, template_patch(obj, metadata)) if metadata is not None else obj


def sync_revision(draft: Draft) -> None:
    """Keep the new version's annotations, readiness delay and affinity, and the rollout's revision, up to date.

    A version that is used again gets the next revision; its former numbers are remembered.
    """
    version = draft.new
    if version is None:
        return
    older = [known for known in draft.versions if known.name != version.name]
    patch = _annotation_patch(draft, version, _highest_revision(older) + 1)
    spec: Object = {}
    if (version.obj["spec"].get("minReadySeconds") or 0) != draft.rollout.spec.min_ready_seconds:
        spec["minReadySeconds"] = draft.rollout.spec.min_ready_seconds
    pod_hash, template = draft.observed.pod_hash, version.obj["spec"].get("template") or {}
    affinity = (template.get("spec") or {}).get("affinity")
    if patch or spec or is_outdated(draft.rollout, affinity, pod_hash):
        wanted = affinity_of(draft.rollout, draft.rollout.spec.template, pod_hash)
        change = patch_between({"affinity": affinity} if affinity else {}, {"affinity": wanted} if wanted else {})
        if change:
            spec["template"] = {"spec": change}
    if spec:
        patch = patch | {"spec": spec}
    if patch:
        version = draft.change_version(version, patch)
    _set_revision(draft, version.annotations.get(REVISION_ANNOTATION, ""))
    if find(draft.rollout.status.conditions, PROGRESSING) is None:
        message = f'Found new replica set "{version.name}"'
        draft.found_condition = new(PROGRESSING, "True", "FoundNewReplicaSet", message, draft.now)


def _annotation_patch(draft: Draft, version: Version, next_revision: int) -> Object:
    changes = {k: v for k, v in _copied(draft.annotations).items() if version.annotations.get(k) != v}
    if 0 <= version.revision < next_revision:
        changes[REVISION_ANNOTATION] = str(next_revision)
    former = version.annotations.get(REVISION_ANNOTATION)
    if changes and former is not None:
        history = version.annotations.get(REVISION_HISTORY_ANNOTATION)
        changes[REVISION_HISTORY_ANNOTATION] = f"{history},{former}" if history else former
    return {"metadata": {"annotations": changes}} if changes else {}


def _set_revision(draft: Draft, revision: str) -> None:
    if draft.annotations.get(REVISION_ANNOTATION) == revision:
        return
    draft.annotations = {**draft.annotations, REVISION_ANNOTATION: revision}
    patch = {"metadata": {"annotations": {REVISION_ANNOTATION: revision}}}
    draft.actions.append(Patch(ROLLOUT, draft.rollout.metadata.key, patch))
    draft.emit("RolloutUpdated", f"Rollout updated to revision {revision}")


def _copied(annotations: Mapping[str, str]) -> dict[str, str]:
    return {key: value for key, value in annotations.items() if key not in _NOT_COPIED}


def _highest_revision(versions: list[Version]) -> int:
    return max((version.revision for version in versions), default=0) if versions else 0
