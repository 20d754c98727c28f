"""Structural schemas: what the API server says about a custom resource before any webhook sees it."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from meshsim.api.decode import Object, write_json
from meshsim.api.validate.findings import Finding, Findings, join
from meshsim.api.validate.gotext import float_text, quote
from meshsim.api.validate.rules import keeps

TOP_FIELDS: Final = frozenset({"apiVersion", "kind", "metadata"})
"""What every object has; the API server checks it by itself."""
_BOUNDS: Final = frozenset({
    "enum", "minimum", "maximum", "minLength", "maxLength", "pattern", "minItems", "maxItems", "maxProperties",
    "allOf", "oneOf", "anyOf", "x-kubernetes-int-or-string",
})  # fmt: skip
"""What a schema may say of a value besides its type and its parts."""
_PLAIN: Final[Mapping[object, type]] = {"string": str, "boolean": bool, "integer": int}
"""The types without parts."""


def unknown_fields(schema: Object, obj: Object) -> Findings:
    """Fields that the schema doesn't name: an error under strict validation, dropped otherwise."""
    spare = {key: value for key, value in obj.items() if key not in TOP_FIELDS}
    return _unknown(schema, spare, "")


def _unknown(schema: Object, value: object, path: str) -> Findings:
    is_closed = schema.get("type") == "object" and not schema.get("x-kubernetes-preserve-unknown-fields")
    if isinstance(value, Mapping) and is_closed and "additionalProperties" not in schema:
        for key in value:
            if key not in (schema.get("properties") or ()):
                at = join(path, str(key))
                yield Finding(at, f"unknown field {quote(at)}")
    for part, item, at in _parts(schema, value, path):
        yield from _unknown(part, item, at)


def check_structure(schema: Object, obj: Object) -> Findings:
    """What doesn't fit the schema, in the API server's words: types, required fields, ranges, oneofs."""
    spare = {key: value for key, value in obj.items() if key not in TOP_FIELDS}
    return _check(schema, spare, "")


def check_rules(schema: Object, obj: Object) -> Findings:
    """Keys that stand twice and CEL rules that are broken; the API server looks only when the structure fits."""
    spare = {key: value for key, value in obj.items() if key not in TOP_FIELDS}
    return _check_rules(schema, spare, "")


def _check_rules(schema: Object, value: object, path: str) -> Findings:
    if value is None:
        return
    if isinstance(value, list) and "x-kubernetes-list-map-keys" in schema:
        yield from _check_unique(schema["x-kubernetes-list-map-keys"], value, path)
    for rule in schema.get("x-kubernetes-validations") or ():
        if not keeps(rule["rule"], value):
            yield Finding(path, f'Invalid value: "{schema.get("type")}": {rule["message"]}')
    for part, item, at in _parts(schema, value, path):
        if isinstance(item, dict | list) or "x-kubernetes-validations" in part:
            yield from _check_rules(part, item, at)


def _parts(schema: Object, value: object, path: str) -> Iterator[tuple[Object, object, str]]:
    """The members or items of a value that the schema describes, each with its own schema and path."""
    if isinstance(value, Mapping):
        properties: Object = schema.get("properties") or {}
        others = schema.get("additionalProperties")
        for key, item in value.items():
            part = properties.get(key, others)
            if isinstance(part, dict):
                yield part, item, join(path, str(key))
    elif isinstance(value, list) and "items" in schema:
        for index, item in enumerate(value):
            yield schema["items"], item, f"{path}[{index}]"


def _check(schema: Object, value: object, path: str) -> Findings:
    if value is None and schema.get("nullable"):
        return
    wanted = schema.get("type")
    kind = _kind_of(value)
    if schema.get("x-kubernetes-int-or-string"):
        if kind not in ("integer", "string"):
            yield _wrong_type(path, "integer,string", kind)
        return
    if wanted is not None and kind != wanted and not (wanted == "number" and kind == "integer"):
        yield _wrong_type(path, wanted, kind)
        return
    if not _BOUNDS.isdisjoint(schema):
        yield from _check_value(schema, value, path)
        yield from _check_alternatives(schema, value, path)
    if isinstance(value, Mapping):
        for name in schema.get("required") or ():
            if name not in value:
                yield Finding(join(path, name), "Required value")
    for part, item, at in _parts(schema, value, path):
        # Most values are plain ones of the right type.
        if type(item) is not _PLAIN.get(part.get("type")) or not _BOUNDS.isdisjoint(part):
            yield from _check(part, item, at)


def _kind_of(value: object) -> str:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int) or (isinstance(value, float) and value.is_integer()):
        return "integer"
    if isinstance(value, float):
        return "number"
    if isinstance(value, str):
        return "string"
    return "array" if isinstance(value, list) else "null" if value is None else "object"


def _wrong_type(path: str, wanted: str, kind: str) -> Finding:
    return Finding(path, f'Invalid value: "{kind}": {path} in body must be of type {wanted}: "{kind}"')


def _check_value(schema: Object, value: object, path: str) -> Findings:
    if "enum" in schema and value not in schema["enum"]:
        supported = ", ".join(quote(str(choice)) for choice in schema["enum"])
        yield Finding(path, f"Unsupported value: {_shown(value)}: supported values: {supported}")
    if isinstance(value, int | float) and not isinstance(value, bool):
        if "minimum" in schema and value < schema["minimum"]:
            yield _out_of_body(path, value, f"should be greater than or equal to {schema['minimum']}")
        if "maximum" in schema and value > schema["maximum"]:
            yield _out_of_body(path, value, f"should be less than or equal to {schema['maximum']}")
    elif isinstance(value, str):
        yield from _check_text(schema, value, path)
    elif isinstance(value, list | Mapping):
        yield from _check_size(schema, value, path)


def _check_text(schema: Object, value: str, path: str) -> Findings:
    if len(value) > schema.get("maxLength", len(value)):
        yield Finding(path, f"Too long: may not be more than {schema['maxLength']} bytes")
    if len(value) < schema.get("minLength", 0):
        yield _out_of_body(path, value, f"should be at least {schema['minLength']} chars long")
    if "pattern" in schema and not re.search(schema["pattern"], value):
        yield _out_of_body(path, value, f"should match '{schema['pattern']}'")


def _check_size(schema: Object, value: list[Any] | Mapping[str, Any], path: str) -> Findings:
    size = len(value)
    most = schema.get("maxItems" if isinstance(value, list) else "maxProperties", size)
    if size > most:
        yield Finding(path, f"Too many: {size}: must have at most {most} items")
    if isinstance(value, list) and size < schema.get("minItems", 0):
        yield _out_of_body(path, size, f"should have at least {schema['minItems']} items")


def _check_unique(keys: list[str], items: list[Any], path: str) -> Findings:
    seen: list[Object] = []
    for index, item in enumerate(items):
        identity = {key: item[key] for key in keys if key in item} if isinstance(item, Mapping) else {}
        if identity and identity in seen:
            yield Finding(f"{path}[{index}]", f"Duplicate value: {write_json(identity).decode()}")
        seen.append(identity)


def _out_of_body(path: str, value: object, problem: str) -> Finding:
    return Finding(path, f"Invalid value: {_shown(value)}: {path} in body {problem}")


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return quote(value) if isinstance(value, str) else float_text(value) if isinstance(value, float) else str(value)


def _check_alternatives(schema: Object, value: object, path: str) -> Findings:
    for part in schema.get("allOf") or ():
        yield from _check_alternatives(part, value, path)
    if "oneOf" in schema:
        fitting = sum(_fits(part, value) for part in schema["oneOf"])
        if fitting != 1:
            found = f"Found {fitting} valid alternatives" if fitting else "Found none valid"
            text = f"{quote(path)} must validate one and only one schema (oneOf). {found}"
            yield Finding(path, f'Invalid value: "": {text}')
    if "anyOf" in schema and not any(_fits(part, value) for part in schema["anyOf"]):
        yield Finding(path, f'Invalid value: "": {quote(path)} must validate at least one schema (anyOf)')


def _fits(schema: Object, value: object) -> bool:
    """Whether a value fits a schema inside oneOf, anyOf or not."""
    if "not" in schema and _fits(schema["not"], value):
        return False
    return next(_check(schema, value, ""), None) is None
