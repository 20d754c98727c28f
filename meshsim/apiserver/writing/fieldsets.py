"""Sets of fields as managedFields holds them (FieldsV1): which parts of an object a manager set. Pure.

A set is a tree: `f:name` is a field, `k:{"name":"web"}` an item of a list by its key, `v:"x"` a value of a list
that is a set, `.` the thing itself. A branch without parts is the whole value there.
"""

from collections.abc import Iterator
from typing import Any, Final

from meshsim.api.decode import FieldError, Object, read_json, write_json

FieldSet = dict[str, Any]
Schema = Object
"""A structural schema, empty where nothing is known."""

_KEY_DEFAULTS: Final = {"protocol": "TCP"}


def is_field_set(value: object) -> bool:
    """Whether a value has the form of a set."""
    return isinstance(value, dict) and all(_is_step(step) and is_field_set(parts) for step, parts in value.items())


def _is_step(step: str) -> bool:
    if step == "." or step.startswith("f:"):
        return True
    try:
        named = read_json(step[2:])
    except FieldError:
        return False
    return isinstance(named, dict) if step.startswith("k:") else step.startswith("v:")


def list_keys(items: list[Any], schema: Schema) -> tuple[str, ...]:
    """The keys by which a list's items are told apart; none for a list that is one value."""
    keys = schema.get("x-kubernetes-list-map-keys")
    return tuple(keys) if keys and all(isinstance(item, dict) for item in items) else ()


def is_set(items: list[Any], schema: Schema) -> bool:
    """Whether a list is a set of plain values that several managers may add to."""
    plain = not any(isinstance(item, dict | list) for item in items)
    return plain and schema.get("x-kubernetes-list-type") == "set"


def is_atomic(schema: Schema) -> bool:
    """Whether a mapping is one value."""
    return schema.get("x-kubernetes-map-type") == "atomic"


def part_schema(schema: Schema, field: str) -> Schema:
    """The schema of a field or, for the field `[]`, of a list's items."""
    if field == "[]":
        items: Schema = schema.get("items") or {}
        return items
    found = (schema.get("properties") or {}).get(field, schema.get("additionalProperties"))
    return found if isinstance(found, dict) else {}


def identity_of(item: Object, keys: tuple[str, ...]) -> str:
    """How an item of a list map is named in a set."""
    found = {key: item.get(key, _KEY_DEFAULTS.get(key)) for key in keys}
    return "k:" + write_json(dict(sorted(found.items()))).decode()


def member_of(item: Any) -> str:
    """How a value of a list that is a set is named."""
    return "v:" + write_json(item).decode()


def fields_of(value: Any, schema: Schema) -> FieldSet:
    """Everything that a value sets."""
    return _fields(value, schema, marked=False)


def whole(value: Any, schema: Schema) -> FieldSet:
    """Everything that a value sets, and itself wherever it has parts."""
    return _fields(value, schema, marked=True)


def _fields(value: Any, schema: Schema, *, marked: bool) -> FieldSet:
    if is_atomic(schema):
        return {}
    itself: FieldSet = {".": {}} if marked and value else {}
    if isinstance(value, dict):
        parts = {f"f:{name}": _fields(part, part_schema(schema, name), marked=marked) for name, part in value.items()}
        return {**itself, **parts}
    if isinstance(value, list):
        keys = list_keys(value, schema)
        if keys:
            items = part_schema(schema, "[]")
            dot: FieldSet = {} if is_atomic(items) else {".": {}}
            return itself | {identity_of(item, keys): dot | _fields(item, items, marked=marked) for item in value}
        if is_set(value, schema):
            return itself | {member_of(item): {} for item in value}
    return {}


def union(one: FieldSet, other: FieldSet) -> FieldSet:
    """What is in either."""
    return {name: union(one.get(name, {}), other.get(name, {})) for name in {**one, **other}}


def difference(one: FieldSet, other: FieldSet) -> FieldSet:
    """What of the first is not in the second."""
    left: FieldSet = {}
    for name, parts in one.items():
        if name not in other:
            left[name] = parts
        elif parts:
            rest = difference(parts, other[name])
            if rest:
                left[name] = rest
    return left


def leaves(fields: FieldSet, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The paths of the set's whole values."""
    for name, parts in fields.items():
        if parts:
            yield from leaves(parts, (*path, name))
        elif name != ".":
            yield (*path, name)


def value_at(value: Any, path: tuple[str, ...]) -> Any:
    """What an object has at a path, None when nothing is there."""
    for step in path:
        value = _part(value, step)
    return value


def _part(value: Any, step: str) -> Any:
    how, name = step[:2], step[2:]
    if how == "f:":
        return value.get(name) if isinstance(value, dict) else None
    items = value if isinstance(value, list) else []
    wanted = read_json(name)
    if how == "v:":
        return wanted if wanted in items else None
    return next((item for item in items if is_item(item, wanted)), None)


def is_item(item: Any, identity: Object) -> bool:
    """Whether an item of a list map has that identity."""
    return isinstance(item, dict) and all(
        item.get(key, _KEY_DEFAULTS.get(key)) == value for key, value in identity.items()
    )


def without(value: Any, fields: FieldSet) -> Any:
    """The value with those fields taken out."""
    if isinstance(value, dict):
        return {
            name: without(part, fields[f"f:{name}"]) if fields.get(f"f:{name}") else part
            for name, part in value.items()
            if f"f:{name}" not in fields or fields[f"f:{name}"]
        }
    if isinstance(value, list):
        return [part for item in value for part in _kept(item, fields)]
    return value


def _kept(item: Any, fields: FieldSet) -> Iterator[Any]:
    for name, parts in fields.items():
        wanted = read_json(name[2:]) if name[:2] in ("k:", "v:") else None
        if isinstance(wanted, dict) and name.startswith("k:") and is_item(item, wanted):
            if "." not in parts:
                yield without(item, parts)
            return
        if name.startswith("v:") and item == wanted:
            return
    yield item


def readable(path: tuple[str, ...]) -> str:
    """A path as people read it: `.spec.containers[name="web"].image`."""
    text = ""
    for step in path:
        how, name = step[:2], step[2:]
        if how == "f:":
            text += f".{name}"
        elif how == "k:":
            text += (
                "[" + ",".join(f"{key}={write_json(value).decode()}" for key, value in read_json(name).items()) + "]"
            )
        else:
            text += f"[={name}]"
    return text
