"""The versions of an experiment: a ReplicaSet each, a Service where one is asked for, and how far they are."""

from dataclasses import replace
from typing import Final

import msgspec

from controller.experiment.draft import Draft
from controller.experiment.spec import TemplateSpec
from controller.rollout.actions import Create, Delete, Patch
from controller.rollout.hashing import pod_template_hash
from controller.rollout.versions import Version, version_of
from meshsim.api.analysis import ExperimentTemplateStatus
from meshsim.api.decode import Object
from meshsim.api.kinds import REPLICA_SET, SERVICE
from meshsim.api.rollouts import HASH_LABEL, SCALE_DOWN_DEADLINE_ANNOTATION
from meshsim.kit.timestamps import from_rfc3339, to_rfc3339

COMPLETED: Final = frozenset({"Successful", "Failed", "Error"})


def reconcile_template(draft: Draft, template: TemplateSpec) -> None:
    """Bring one version to its size, and note how it is."""
    before = draft.experiment.status.template(template.name) or ExperimentTemplateStatus(name=template.name)
    status, desired = before, _desired(draft, template, before)
    version = draft.versions.get(template.name)
    if version is None:
        status = _create(draft, template, status)
    else:
        status = _reconcile_service(draft, template, status, version, desired)
        status = _scale(draft, template, status, version, desired)
    status = _counted(draft, template, status, before)
    if status.status not in COMPLETED:
        status = _assessed(draft, template, status, desired)
    if status.status != before.status:
        message = f"Template '{template.name}' transitioned from {before.status} -> {status.status}"
        told = f"{message}: {status.message}" if status.message else message
        draft.emit(f"Template{status.status}", told, is_bad=status.status in ("Failed", "Error"))
    others = {known.name: known for known in draft.status.template_statuses} | {template.name: status}
    draft.set_status(template_statuses=tuple(others.values()))


def _desired(draft: Draft, template: TemplateSpec, status: ExperimentTemplateStatus) -> int:
    return 0 if draft.is_terminating or status.status in COMPLETED else template.wanted


def _create(draft: Draft, template: TemplateSpec, status: ExperimentTemplateStatus) -> ExperimentTemplateStatus:
    obj = replica_set_of(draft, template)
    name = obj["metadata"]["name"]
    if (REPLICA_SET.kind, name) in draft.observed.taken:
        message = (
            f"Failed to create ReplicaSet for template '{template.name}': replicasets.apps \"{name}\" already exists"
        )
        return msgspec.structs.replace(status, status="Error", message=message)
    draft.actions.append(Create(REPLICA_SET, obj))
    draft.versions[template.name] = version_of(obj)
    return msgspec.structs.replace(status, last_transition_time=to_rfc3339(draft.now))


def replica_set_of(draft: Draft, template: TemplateSpec) -> Object:
    """The ReplicaSet of a version, at first without pods."""
    pods: Object = template.template or {}
    metadata: Object = pods.get("metadata") or {}
    # A version that is copied from a rollout's brings that one's hash along.
    own = {label: value for label, value in (metadata.get("labels") or {}).items() if label != HASH_LABEL}
    pods = pods | {"metadata": metadata | {"labels": own}}
    pod_hash = pod_template_hash(pods)
    labels = own | {HASH_LABEL: pod_hash}
    selector: Object = template.selector or {}
    experiment = draft.experiment.metadata
    return {
        "apiVersion": REPLICA_SET.api_version,
        "kind": REPLICA_SET.kind,
        "metadata": {
            "name": f"{experiment.name}-{template.name}",
            "namespace": experiment.namespace,
            "labels": labels,
            "annotations": draft.annotations(template.name),
            "ownerReferences": [draft.owner()],
        },
        "spec": {
            "replicas": 0,
            "minReadySeconds": template.min_ready_seconds,
            "selector": selector | {"matchLabels": (selector.get("matchLabels") or {}) | {HASH_LABEL: pod_hash}},
            "template": pods | {"metadata": pods["metadata"] | {"labels": labels}},
        },
    }


def _reconcile_service(
    draft: Draft, template: TemplateSpec, status: ExperimentTemplateStatus, version: Version, desired: int
) -> ExperimentTemplateStatus:
    service = draft.observed.services.get(template.name)
    if template.service is None or desired == 0:
        if service is None or (template.service is not None and version.available > 0):
            return status
        draft.actions.append(Delete(SERVICE, draft.key(service["metadata"]["name"]), service["metadata"]["uid"]))
        return msgspec.structs.replace(status, service_name="", pod_template_hash="")
    ports = _ports(version)
    if not ports:
        return status
    name = template.service.name or version.name
    if service is None:
        if (SERVICE.kind, name) in draft.observed.taken:
            reason = f"service {name} already exists and is not owned by experiment template {template.name}"
            message = f"Failed to create Service {name} for template '{template.name}': {reason}"
            return msgspec.structs.replace(status, status="Error", message=message)
        draft.actions.append(Create(SERVICE, _service(draft, template, version, name)))
    return msgspec.structs.replace(status, service_name=name, pod_template_hash=version.hash)


def _ports(version: Version) -> list[Object]:
    template: Object = version.obj["spec"].get("template") or {}
    return [
        {
            **({"name": port["name"]} if port.get("name") else {}),
            "protocol": port.get("protocol") or "TCP",
            "port": port["containerPort"],
            "targetPort": port["containerPort"],
        }
        for container in (template.get("spec") or {}).get("containers") or ()
        for port in container.get("ports") or ()
    ]


def _service(draft: Draft, template: TemplateSpec, version: Version, name: str) -> Object:
    return {
        "apiVersion": SERVICE.api_version,
        "kind": SERVICE.kind,
        "metadata": {
            "name": name,
            "namespace": draft.experiment.metadata.namespace,
            "annotations": draft.annotations(template.name),
            "ownerReferences": [draft.owner()],
        },
        "spec": {"selector": version.obj["metadata"]["labels"], "ports": _ports(version)},
    }


def _scale(
    draft: Draft, template: TemplateSpec, status: ExperimentTemplateStatus, version: Version, desired: int
) -> ExperimentTemplateStatus:
    if desired == 0 and version.replicas > 0:
        kept = _with_deadline(draft, version)
        if kept is not version:
            # What ends is not what stands still.
            status = msgspec.structs.replace(status, last_transition_time=to_rfc3339(draft.now))
        version = kept
        if version.scale_down_at is not None and version.scale_down_at > draft.now:
            draft.wakes.append(version.scale_down_at)
            return status
    if version.replicas == desired:
        return status
    draft.actions.append(Patch(REPLICA_SET, draft.key(version.name), {"spec": {"replicas": desired}}))
    way = "up" if version.replicas < desired else "down"
    draft.emit("ScalingReplicaSet", f"Scaled {way} ReplicaSet {version.name} from {version.replicas} to {desired}")
    draft.versions[template.name] = replace(version, replicas=desired)
    return msgspec.structs.replace(status, last_transition_time=to_rfc3339(draft.now))


def _with_deadline(draft: Draft, version: Version) -> Version:
    """The version with the instant at which its pods go, noted on it once; none when they go at once."""
    delay_s = draft.asked.scale_down_delay_s
    if version.has_scale_down_deadline == (delay_s > 0):
        return version
    deadline = to_rfc3339(draft.now + delay_s) if delay_s > 0 else None
    patch = {"metadata": {"annotations": {SCALE_DOWN_DEADLINE_ANNOTATION: deadline}}}
    draft.actions.append(Patch(REPLICA_SET, draft.key(version.name), patch))
    annotations = {**version.annotations, SCALE_DOWN_DEADLINE_ANNOTATION: deadline or ""}
    return replace(version, obj=version.obj | {"metadata": version.obj["metadata"] | {"annotations": annotations}})


def _counted(
    draft: Draft, template: TemplateSpec, status: ExperimentTemplateStatus, before: ExperimentTemplateStatus
) -> ExperimentTemplateStatus:
    version = draft.versions.get(template.name)
    counts = {
        "replicas": version.current if version else 0,
        "updated_replicas": version.current if version else 0,
        "ready_replicas": version.ready if version else 0,
        "available_replicas": version.available if version else 0,
    }
    if all(getattr(before, name) == count for name, count in counts.items()):
        return status
    return msgspec.structs.replace(status, **counts, last_transition_time=to_rfc3339(draft.now))


def _assessed(
    draft: Draft, template: TemplateSpec, status: ExperimentTemplateStatus, desired: int
) -> ExperimentTemplateStatus:
    is_over = draft.asked.is_over(draft.now)
    if status.available_replicas == desired:
        is_done = is_over or draft.is_terminating
        return msgspec.structs.replace(status, status="Successful" if is_done else "Running")
    stood_since = from_rfc3339(status.last_transition_time) if status.last_transition_time else draft.now
    deadline = stood_since + draft.asked.progress_deadline_s
    if draft.now > deadline:
        limit = draft.asked.progress_deadline_s
        message = f"Template '{template.name}' exceeded its progressDeadlineSeconds ({limit})"
        return msgspec.structs.replace(status, status="Failed", message=message)
    draft.wakes.append(deadline)
    return msgspec.structs.replace(status, status="Successful" if draft.is_terminating else "Progressing")
