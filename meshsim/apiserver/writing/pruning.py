"""Fields that a kind doesn't have: found by its structural schema, and left out of what is stored. Pure."""

from typing import Any, Final

from meshsim.api.decode import Object
from meshsim.api.validate.schema import unknown_fields
from meshsim.apiserver.kinds.messages import schema_of_message

_TOP: Final = frozenset({"apiVersion", "kind", "metadata"})
_METADATA: Final = "meta.ObjectMeta"


def prune(schema: Object, obj: Object) -> list[str]:
    """Take out what the schema doesn't name; returns what was found, each `unknown field "spec.x"`, in order."""
    metadata, meta_schema = obj.get("metadata") or {}, schema_of_message(_METADATA)
    if not _has_unknown(schema, obj, _TOP) and not _has_unknown(meta_schema, metadata):
        return []
    found = [
        *(finding.message for finding in unknown_fields(schema, obj)),
        *(_of_metadata(name) for name in metadata if name not in meta_schema["properties"]),
    ]
    _strip(schema, obj, _TOP)
    _strip(meta_schema, metadata)
    return found


def _of_metadata(name: str) -> str:
    return f'unknown field "metadata.{name}"'


def _is_closed(schema: Object) -> bool:
    return (
        schema.get("type") == "object"
        and "additionalProperties" not in schema
        and not schema.get("x-kubernetes-preserve-unknown-fields")
    )


def _kept(schema: Object, spare: frozenset[str]) -> frozenset[str]:
    return spare | _TOP if schema.get("x-kubernetes-embedded-resource") else spare


def _has_unknown(schema: Object, value: Any, spare: frozenset[str] = frozenset()) -> bool:
    if isinstance(value, dict):
        properties: Object = schema.get("properties") or {}
        others = schema.get("additionalProperties")
        is_closed = _is_closed(schema)
        for field, item in value.items():
            part = properties.get(field, others)
            if part is None and is_closed and field not in _kept(schema, spare):
                return True
            if field not in spare and isinstance(part, dict) and _has_unknown(part, item):
                return True
        return False
    items = schema.get("items")
    return isinstance(items, dict) and isinstance(value, list) and any(_has_unknown(items, item) for item in value)


def _strip(schema: Object, value: Any, spare: frozenset[str] = frozenset()) -> None:
    if isinstance(value, dict):
        properties: Object = schema.get("properties") or {}
        others = schema.get("additionalProperties")
        kept, is_closed = _kept(schema, spare), _is_closed(schema)
        for field in list(value):
            part = properties.get(field, others)
            if part is None and is_closed and field not in kept:
                del value[field]
            elif isinstance(part, dict) and field not in spare:
                _strip(part, value[field])
    elif isinstance(value, list) and schema.get("items"):
        for item in value:
            _strip(schema["items"], item)
