"""The schemas that OpenAPI documents show: of Kubernetes' own types by reference, of custom resources whole. Pure."""

from collections.abc import Iterable
from typing import Final

from meshsim.api.decode import Object
from meshsim.api.kinds import Kind
from meshsim.apiserver.kinds.custom import CustomKind
from meshsim.apiserver.kinds.definitions import DEFINITION
from meshsim.apiserver.kinds.field_notes import note_of, noted
from meshsim.apiserver.kinds.messages import SCALARS, fields_of_message, list_marks, message_name, messages
from meshsim.apiserver.kinds.schemas import custom_schema

_PREFIX: Final = "#/components/schemas/"
_META: Final = "io.k8s.apimachinery.pkg.apis.meta.v1"
_OBJECT_META: Final = "meta.ObjectMeta"
_NAMED: Final = {
    "time": f"{_META}.Time",
    "micro_time": f"{_META}.MicroTime",
    "quantity": "io.k8s.apimachinery.pkg.api.resource.Quantity",
    "int_or_string": "io.k8s.apimachinery.pkg.util.intstr.IntOrString",
}
"""Types without parts that have a name of their own."""
_SHOWN: Final[dict[str, Object]] = {
    "time": {"type": "string", "format": "date-time"},
    "micro_time": {"type": "string", "format": "date-time"},
    "quantity": {"type": "string"},
    "int_or_string": {"type": "string", "format": "int-or-string"},
}


_ANYTHING: Final[Object] = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}


def component_schemas(kinds: Iterable[tuple[Kind, str]]) -> Object:
    """The `components.schemas` of a document about kinds in versions: theirs, and all that these refer to."""
    shown: Object = {}
    needed: set[str] = set()
    for kind, version in kinds:
        group_version_kind = {"group": kind.group, "version": version, "kind": kind.kind}
        schema = custom_schema(kind, version)
        if schema is not None:
            name = ".".join([*reversed(kind.group.split(".")), version, kind.kind])
            shown[name] = {**_custom(kind, schema), "x-kubernetes-group-version-kind": [group_version_kind]}
            needed.add(_OBJECT_META)
            continue
        if kind == DEFINITION:
            shown[f"io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.{version}.{kind}"] = {
                **_custom(kind, {"type": "object", "properties": {"spec": _ANYTHING, "status": _ANYTHING}}),
                "x-kubernetes-group-version-kind": [group_version_kind],
            }
            needed.add(_OBJECT_META)
            continue
        message = message_name(f"{kind.group}/{version}".removeprefix("/"), kind.kind)
        if message in messages():
            needed |= _closure(message)
            shown[_component(message)] = {
                **_object(message, is_kind=True),
                "x-kubernetes-group-version-kind": [group_version_kind],
            }
    for message in sorted({part for name in needed for part in _closure(name)}):
        shown.setdefault(_component(message), _object(message))
    for scalar, name in _NAMED.items():
        shown[name] = {**_SHOWN[scalar], "description": note_of(scalar)}
    return shown


def _custom(kind: Kind, schema: Object) -> Object:
    # A definition has sentences of its own.
    described = schema if isinstance(kind, CustomKind) else noted(kind.kind, schema)
    metadata = _reference(_component(_OBJECT_META), note_of("metadata"))
    return {**described, "properties": {**(described.get("properties") or {}), **_type_meta(), "metadata": metadata}}


def _type_meta() -> Object:
    return {name: {"type": "string", "description": note_of(name)} for name in ("apiVersion", "kind")}


def _closure(message: str) -> set[str]:
    found, waiting = set[str](), [message]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += [field[1] for field in fields_of_message(name).values() if "." in field[1]]
    return found


def _object(message: str, *, is_kind: bool = False) -> Object:
    properties = {name: _field(message, field) for name, field in fields_of_message(message).items()}
    if is_kind:
        properties = {**_type_meta(), **properties}
    return {"type": "object", "description": note_of(message.partition(".")[2]), "properties": properties}


def _field(message: str, field: list[str]) -> Object:
    name, kind, flags = field[:3]
    note = note_of(f"{message.partition('.')[2]}.{name}") or note_of(name)
    if "m" in flags:
        return {"type": "object", "description": note, "additionalProperties": _value(kind)}
    if "r" in flags:
        keys = field[3] if len(field) > 3 else ""
        return {"type": "array", "description": note, "items": _value(kind), **list_marks(keys)}
    value = _value(kind)
    return _reference(value["$ref"].removeprefix(_PREFIX), note) if "$ref" in value else {**value, "description": note}


def _value(kind: str) -> Object:
    if "." in kind:
        return {"$ref": _PREFIX + _component(kind)}
    return {"$ref": _PREFIX + _NAMED[kind]} if kind in _NAMED else SCALARS[kind]


def _reference(name: str, note: str) -> Object:
    return {"description": note, "allOf": [{"$ref": _PREFIX + name}]}


def _component(message: str) -> str:
    package, _, name = message.partition(".")
    if package == "meta":
        return f"{_META}.{name}"
    version = "v2" if package.endswith("v2") else "v1"
    return f"io.k8s.api.{package.removesuffix('v2')}.{version}.{name}"
