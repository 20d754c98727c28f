"""The scale of an object: how many replicas, seen the same way for every kind that has them. Pure."""

from meshsim.api.decode import FieldError, Object, decode
from meshsim.api.kinds import ROLLOUT, Kind
from meshsim.api.meta import LabelSelector


def scale_of(kind: Kind, obj: Object) -> Object:
    """The autoscaling/v1 Scale of an object. A replica count that is absent is 0."""
    metadata, spec, status = obj["metadata"], obj.get("spec") or {}, obj.get("status") or {}
    kept = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    selector = status.get("selector")
    # The CRD of a Rollout points at status.HPAReplicas and at a selector in text; the others have neither.
    replicas = status.get("HPAReplicas" if kind == ROLLOUT else "replicas")
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


def _selector_text(selector: object) -> str:
    try:
        return str(decode(LabelSelector, selector or {}))
    except FieldError:
        return ""
