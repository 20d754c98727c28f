"""Kubernetes' own types, field by field: what their Go structs hold. Pure.

The table is made by tools/protobuf_fields.py. It reads protobuf, judges bodies, and makes the schemas that OpenAPI
and server-side apply go by.
"""

from functools import cache
from importlib.resources import files
from typing import Final

from meshsim.api.decode import Object, read_json

Message = dict[str, list[str]]
"""Fields by their protobuf number: JSON name, type, flags, and for a list its items' keys (`=`: a set)."""

_GROUPS: Final = {"": "core", "autoscaling/v2": "autoscalingv2"}
_ATOMIC: Final[Object] = {"x-kubernetes-map-type": "atomic"}
_ATOMIC_STRUCTS: Final = frozenset({
    "meta.LabelSelector", "meta.OwnerReference", "core.ConfigMapKeySelector", "core.SecretKeySelector",
    "core.ObjectFieldSelector", "core.ResourceFieldSelector", "core.LocalObjectReference", "core.ObjectReference",
    "core.TypedLocalObjectReference", "core.NodeSelector", "core.NodeSelectorTerm", "core.EndpointAddress",
    "core.EndpointPort", "discovery.EndpointPort", "networking.ServiceBackendPort",
    "autoscaling.CrossVersionObjectReference",
})  # fmt: skip
"""Structs that are one value to server-side apply (`+structType=atomic`)."""
_ATOMIC_MAPS: Final = frozenset({"core.PodSpec.nodeSelector", "core.ServiceSpec.selector"})
"""Maps that are (`+mapType=atomic`)."""
_META_KINDS: Final = frozenset({"DeleteOptions"})


def message_name(api_version: str, kind: str) -> str:
    """How the table calls a kind: `apps.Deployment`. Whether it is there is another question."""
    if kind in _META_KINDS:
        return f"meta.{kind}"
    group = api_version.rpartition("/")[0]
    package = _GROUPS.get(api_version) or _GROUPS.get(group) or group.removesuffix(".k8s.io")
    return f"{package}.{kind}"


@cache
def messages() -> dict[str, Message]:
    """Every message by its name."""
    table: dict[str, Message] = read_json(files(__package__).joinpath("protobuf_fields.json").read_bytes())
    return table


@cache
def fields_of_message(name: str) -> dict[str, list[str]]:
    """The fields of a message by their JSON name, inlined ones among them."""
    found: dict[str, list[str]] = {}
    for field in messages()[name].values():
        if "i" in field[2]:
            found |= fields_of_message(field[1])
        else:
            found[field[0]] = field
    return found


@cache
def schema_of_message(name: str) -> Object:
    """The structural schema of a message; those of its parts are shared with other schemas."""
    properties = {
        field: _schema_of_field(described) | (_ATOMIC if f"{name}.{field}" in _ATOMIC_MAPS else {})
        for field, described in fields_of_message(name).items()
    }
    return {"type": "object", "properties": properties, **(_ATOMIC if name in _ATOMIC_STRUCTS else {})}


def _schema_of_field(field: list[str]) -> Object:
    schema = schema_of_message(field[1]) if "." in field[1] else SCALARS[field[1]]
    if "m" in field[2]:
        return {"type": "object", "additionalProperties": schema}
    if "r" not in field[2]:
        return schema
    keys = field[3] if len(field) > 3 else ""
    return {"type": "array", "items": schema, **list_marks(keys)}


def list_marks(keys: str) -> Object:
    """How a schema says whether a list is a map, a set, or one value."""
    if keys == "=":
        return {"x-kubernetes-list-type": "set"}
    if keys:
        return {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": keys.split(",")}
    return {"x-kubernetes-list-type": "atomic"}


SCALARS: Final[dict[str, Object]] = {
    "string": {"type": "string"},
    "bool": {"type": "boolean"},
    "int32": {"type": "integer", "format": "int32"},
    "int64": {"type": "integer", "format": "int64"},
    "double": {"type": "number", "format": "double"},
    "bytes": {"type": "string", "format": "byte"},
    "time": {"type": "string", "format": "date-time"},
    "micro_time": {"type": "string", "format": "date-time"},
    "duration": {"type": "string"},
    "quantity": {"x-kubernetes-int-or-string": True},
    "int_or_string": {"x-kubernetes-int-or-string": True},
    "raw_json": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
}
"""The schemas of the types that have no parts."""
