"""A rollout that releases the template of a Deployment (or ReplicaSet, PodTemplate) instead of its own."""

from typing import Final

from controller.rollout.actions import Patch
from controller.rollout.draft import Draft
from controller.rollout.versions import Version
from meshsim.api.decode import Object
from meshsim.api.kinds import DEPLOYMENT, POD_TEMPLATE, REPLICA_SET, ROLLOUT, Kind
from meshsim.api.rollouts import WORKLOAD_GENERATION_ANNOTATION, Rollout

WORKLOADS: Final[tuple[Kind, ...]] = (DEPLOYMENT, REPLICA_SET, POD_TEMPLATE)
_ON_SUCCESS: Final = "onsuccess"
_PROGRESSIVELY: Final = "progressively"


def workload_kind(rollout: Rollout) -> Kind | None:
    """The kind that `workloadRef` names, when it is one that has a template to take."""
    reference = rollout.spec.workload_ref
    if reference is None:
        return None
    group = reference.api_version.rpartition("/")[0]
    return next((kind for kind in WORKLOADS if (kind.group, kind.kind) == (group, reference.kind)), None)


def template_of(workload: Object) -> Object:
    """The pod template of a workload: its own, or all that a PodTemplate is."""
    holder = workload if workload.get("kind") == POD_TEMPLATE.kind else workload.get("spec") or {}
    template: Object = holder.get("template") or {}
    return template


def note_generation(draft: Draft) -> None:
    """Write down on the rollout which generation of its workload it releases."""
    generation = draft.annotations.get(WORKLOAD_GENERATION_ANNOTATION)
    noted = (draft.observed.raw["metadata"].get("annotations") or {}).get(WORKLOAD_GENERATION_ANNOTATION)
    if draft.rollout.spec.workload_ref is not None and generation != noted:
        patch = {"metadata": {"annotations": {WORKLOAD_GENERATION_ANNOTATION: generation}}}
        draft.actions.append(Patch(ROLLOUT, draft.rollout.metadata.key, patch))


def follow_progress(draft: Draft, version: Version, replicas: int) -> None:
    """`scaleDown: progressively`: the Deployment gives up a pod for every pod the first version has ready."""
    reference, status = draft.rollout.spec.workload_ref, draft.rollout.status
    if reference is None or reference.scale_down != _PROGRESSIVELY or version.revision != 1:
        return
    if status.phase == "Healthy":
        _scale(draft, 0)
    elif status.ready_replicas > 0 or version.replicas > replicas:
        _scale(draft, max(0, draft.replicas - status.ready_replicas))


def follow_promotion(draft: Draft) -> None:
    """`scaleDown: onsuccess`: the Deployment goes once the first version is healthy."""
    reference = draft.rollout.spec.workload_ref
    if reference is None or reference.scale_down != _ON_SUCCESS:
        return
    if draft.revision == 1 and draft.rollout.status.phase == "Healthy":
        _scale(draft, 0)


def _scale(draft: Draft, replicas: int) -> None:
    workload = draft.observed.workload
    if workload is None or workload.get("kind") != DEPLOYMENT.kind:
        return
    if (workload.get("spec") or {}).get("replicas", 1) != replicas:
        key = draft.key(workload["metadata"]["name"])
        draft.actions.append(Patch(DEPLOYMENT, key, {"spec": {"replicas": replicas}}))
