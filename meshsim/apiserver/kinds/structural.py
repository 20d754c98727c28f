"""The structural schema of a definition, as far as it is gone by here: everything else is left out of it. Pure."""

import re
from collections.abc import Mapping
from typing import Any, Final

from meshsim.api.decode import FieldError, Object

_SCHEMAS: Final = ("items", "not")
_LISTS_OF_SCHEMAS: Final = ("oneOf", "anyOf", "allOf")
_PLAIN: Final[Mapping[str, type | tuple[type, ...]]] = {
    "type": str,
    "format": str,
    "description": str,
    "pattern": str,
    "nullable": bool,
    "minimum": (int, float),
    "maximum": (int, float),
    "minLength": int,
    "maxLength": int,
    "minItems": int,
    "maxItems": int,
    "maxProperties": int,
    "enum": list,
    "required": list,
    "x-kubernetes-preserve-unknown-fields": bool,
    "x-kubernetes-int-or-string": bool,
    "x-kubernetes-embedded-resource": bool,
    "x-kubernetes-list-map-keys": list,
    "x-kubernetes-list-type": str,
    "x-kubernetes-map-type": str,
}


def structural(schema: object, path: str) -> Object:
    """The schema at a path. Raises FieldError for one of another shape."""
    if not isinstance(schema, dict):
        raise FieldError(path, "must be an object")
    kept: Object = {}
    for name, value in schema.items():
        at = f"{path}.{name}"
        if name in _PLAIN:
            kept[name] = _plain(name, value, at)
        elif name == "properties":
            kept[name] = {field: structural(part, f"{at}[{field}]") for field, part in _mapping(value, at).items()}
        elif name == "additionalProperties":
            kept[name] = {} if isinstance(value, bool) else structural(value, at)
        elif name in _SCHEMAS:
            kept[name] = structural(value, at)
        elif name in _LISTS_OF_SCHEMAS:
            if not isinstance(value, list):
                raise FieldError(at, "must be a list")
            kept[name] = [structural(part, f"{at}[{index}]") for index, part in enumerate(value)]
        elif name == "default":
            kept[name] = value
    return kept


def _mapping(value: object, path: str) -> Object:
    if not isinstance(value, dict):
        raise FieldError(path, "must be an object")
    return value


def _plain(name: str, value: Any, path: str) -> Any:
    if not isinstance(value, _PLAIN[name]):
        raise FieldError(path, "has a value of the wrong type")
    read: Any = value
    if name in ("required", "x-kubernetes-list-map-keys") and not all(isinstance(item, str) for item in read):
        raise FieldError(path, "must be a list of names")
    if name == "pattern":
        try:
            re.compile(read)
        except re.error as error:
            raise FieldError(path, f"is no regular expression: {error}") from None
    return value
