"""Writing the scale subresource. Pure."""

from typing import Any

from meshsim.api.decode import Object
from meshsim.api.kinds import Kind
from meshsim.api.scale import scale_of
from meshsim.apiserver import refusals
from meshsim.apiserver.kinds.custom import CustomKind
from meshsim.apiserver.kinds.json_path import steps_of, value_at
from meshsim.apiserver.refusals import Cause


def shown_scale(kind: Kind, obj: Object) -> Object:
    """The Scale of an object; that of a defined kind is where its definition says."""
    shown = scale_of(kind, obj)
    if isinstance(kind, CustomKind):
        replicas, current, selector = (
            value_at(steps_of(kind.scale.get(name) or ".none"), obj)
            for name in ("specReplicasPath", "statusReplicasPath", "labelSelectorPath")
        )
        shown["spec"] = {"replicas": replicas if isinstance(replicas, int) else 0}
        shown["status"] = {
            "replicas": current if isinstance(current, int) else 0,
            "selector": selector if isinstance(selector, str) else "",
        }
    return shown


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
    field = "replicas"
    if isinstance(kind, CustomKind):
        field = kind.scale.get("specReplicasPath", "").rpartition(".")[2] or field
    return {
        **obj,
        "metadata": {**obj["metadata"], "resourceVersion": version},
        "spec": {**(obj.get("spec") or {}), field: replicas},
    }
