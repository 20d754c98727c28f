"""Ephemeral metadata: labels and annotations that pods carry only while they are canary, stable, preview or active."""

from collections.abc import Mapping

from controller.rollout.actions import Patch
from controller.rollout.draft import Draft
from controller.rollout.versions import Version
from meshsim.api.decode import FieldError, Object, decode, encode, read_json, write_json
from meshsim.api.kinds import POD
from meshsim.api.meta import Key
from meshsim.api.rollouts import EPHEMERAL_METADATA_ANNOTATION, Rollout
from meshsim.api.steps import PodMetadata

_NONE = PodMetadata()


def is_configured(rollout: Rollout) -> bool:
    """The rollout asks for any."""
    return any(metadata is not None for metadata in _metadata_of(rollout))


def _metadata_of(rollout: Rollout) -> tuple[PodMetadata | None, PodMetadata | None]:
    """What pods of the new and of the stable version carry."""
    canary, blue_green = rollout.spec.strategy.canary, rollout.spec.strategy.blue_green
    if canary is not None:
        return canary.canary_metadata, canary.stable_metadata
    return (blue_green.preview_metadata, blue_green.active_metadata) if blue_green else (None, None)


def first_metadata(rollout: Rollout, *, has_stable: bool) -> PodMetadata | None:
    """What a version carries from its creation: the very first one will be the stable one."""
    new, stable = _metadata_of(rollout)
    return new if has_stable else stable


def reconcile_metadata(draft: Draft) -> None:
    """Give each version the metadata of its role, and its living pods too."""
    if not is_configured(draft.rollout):
        return
    new, stable = _metadata_of(draft.rollout)
    stable_hash = draft.rollout.status.stable_rs
    new_version, stable_version = draft.new, draft.stable
    if not stable_hash or (new_version and stable_hash == new_version.hash):
        _give(draft, new_version, stable)
    else:
        _give(draft, new_version, new)
        _give(draft, stable_version, stable)
    for version in draft.others:
        _give(draft, version, None)


def _give(draft: Draft, version: Version | None, metadata: PodMetadata | None) -> None:
    if version is None:
        return
    before = injected_in(version.obj)
    patch = template_patch(version.obj, metadata)
    if patch:
        draft.change_version(version, patch)
    if version.replicas == 0:
        return
    for pod in draft.observed.pods:
        owners = pod["metadata"].get("ownerReferences") or ()
        if any(owner.get("uid") == version.obj["metadata"].get("uid") for owner in owners):
            change = _changes(pod["metadata"], before, metadata or _NONE)
            if change:
                namespace, name = pod["metadata"].get("namespace") or "", pod["metadata"]["name"]
                draft.actions.append(Patch(POD, Key(namespace, name), {"metadata": change}))


def injected_in(replica_set: Object) -> PodMetadata:
    """What was injected into this ReplicaSet's pod template before."""
    text = (replica_set["metadata"].get("annotations") or {}).get(EPHEMERAL_METADATA_ANNOTATION)
    try:
        return decode(PodMetadata, read_json(text)) if text else _NONE
    except FieldError:
        return _NONE


def template_patch(replica_set: Object, metadata: PodMetadata | None) -> Object:
    """The merge patch that gives a ReplicaSet's pod template this metadata and takes away what it had before."""
    annotations = replica_set["metadata"].get("annotations") or {}
    text = write_json(encode(metadata)).decode() if metadata is not None else None
    if annotations.get(EPHEMERAL_METADATA_ANNOTATION) == text:
        return {}
    pod_metadata = replica_set["spec"]["template"].get("metadata") or {}
    patch: Object = {"metadata": {"annotations": {EPHEMERAL_METADATA_ANNOTATION: text}}}
    change = _changes(pod_metadata, injected_in(replica_set), metadata or _NONE)
    return patch | ({"spec": {"template": {"metadata": change}}} if change else {})


def _changes(metadata: Object, before: PodMetadata, after: PodMetadata) -> Object:
    labels = _change(metadata.get("labels") or {}, before.labels, after.labels)
    annotations = _change(metadata.get("annotations") or {}, before.annotations, after.annotations)
    return {name: change for name, change in (("labels", labels), ("annotations", annotations)) if change}


def _change(present: Mapping[str, str], before: Mapping[str, str], after: Mapping[str, str]) -> dict[str, str | None]:
    """Only what was injected is taken away, and only while it still has the injected value."""
    gone: dict[str, str | None] = {
        key: None for key, value in before.items() if key not in after and present.get(key) == value
    }
    return gone | {key: value for key, value in after.items() if present.get(key) != value}
