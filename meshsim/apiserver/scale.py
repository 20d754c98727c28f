"""The scale subresource: how many replicas, seen the same way for every kind that has them. Pure."""

from typing import Any

from meshsim.api.decode import FieldError, Object, decode
from meshsim.api.kinds import Kind
from meshsim.api.meta import LabelSelector
from meshsim.apiserver import refusals
from meshsim.apiserver.refusals import Cause


def scale_of(kind: Kind, obj: Object) -> Object:
    """The autoscaling/v1 Scale of an object. A replica count that is absent is 0."""
    metadata, spec, status = obj["metadata"], obj.get("spec") or {}, obj.get("status") or {}
    kept = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    selector = status.get("selector")
    # The CRD of a Rollout points at status.HPAReplicas and at a selector in text; the others have neither.
    replicas = status.get("HPAReplicas" if kind.kind == "Rollout" else "replicas")
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {field: metadata[field] for field in kept if field in metadata},
        "spec": {"replicas": spec.get("replicas") or 0},
        "status": {
            "replicas": replicas or 0,
            "selector": selector if isinstance(selector, str) else _selector_text(spec.get("selector")),
        },
    }


def with_scale(kind: Kind, obj: Object, scale: Any) -> Object:
    """The object with the replica count of a Scale. Raises InvalidError."""
    if not isinstance(scale, dict) or scale.get("kind") not in (None, "Scale"):
        raise refusals.bad_request("the body of the request is not a Scale")
    asked = scale.get("spec")
    replicas = asked.get("replicas", 0) if isinstance(asked, dict) else 0
    metadata = scale.get("metadata")
    if not isinstance(replicas, int) or isinstance(replicas, bool) or replicas < 0:
        cause = Cause("spec.replicas", f"Invalid value: {replicas}: must be greater than or equal to 0")
        raise refusals.invalid(kind, obj["metadata"]["name"], [cause])
    asked_version = metadata.get("resourceVersion") if isinstance(metadata, dict) else None
    version = asked_version if isinstance(asked_version, str) else obj["metadata"]["resourceVersion"]
    return {
        **obj,
        "metadata": {**obj["metadata"], "resourceVersion": version},
        "spec": {**(obj.get("spec") or {}), "replicas": replicas},
    }


def _selector_text(selector: object) -> str:
    try:
        return str(decode(LabelSelector, selector or {}))
    except FieldError:
        return ""
