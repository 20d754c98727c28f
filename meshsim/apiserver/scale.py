"""Writing the scale subresource. Pure."""

from typing import Any

from meshsim.api.decode import Object
from meshsim.api.kinds import Kind
from meshsim.apiserver import refusals
from meshsim.apiserver.refusals import Cause


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
