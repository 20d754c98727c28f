"""An object between the version a client speaks and the one it is stored in. Pure.

Versions of a kind differ in nothing but their name (conversion strategy None), except those of the autoscaler.
"""

from meshsim.api.decode import Object
from meshsim.api.kinds import HORIZONTAL_POD_AUTOSCALER, Kind
from meshsim.apiserver.kinds.autoscalers import from_v1, to_v1


def to_version(kind: Kind, version: str, obj: Object) -> Object:
    """The stored object as the version has it; itself when that is the stored one."""
    if version in ("", kind.version) or obj.get("apiVersion") != kind.api_version:
        return obj
    if kind == HORIZONTAL_POD_AUTOSCALER:
        return to_v1(obj)
    return {**obj, "apiVersion": f"{kind.group}/{version}".removeprefix("/")}


def from_version(kind: Kind, version: str, obj: Object) -> Object:
    """The object of a client as it is stored. Raises FieldError."""
    if kind == HORIZONTAL_POD_AUTOSCALER and version == "v1":
        obj = from_v1(obj)
    return {**obj, "apiVersion": kind.api_version, "kind": kind.kind}
