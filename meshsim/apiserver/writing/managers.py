"""Who set which fields, kept with every write (managedFields) as structured-merge-diff keeps it. Pure.

A manager that creates, updates or patches owns what it changed; what it changed of others' they own no longer; what
it took away nobody owns.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from meshsim.api.decode import Object
from meshsim.apiserver.writing.fieldsets import (
    FieldSet,
    Schema,
    difference,
    identity_of,
    is_atomic,
    is_field_set,
    is_set,
    list_keys,
    member_of,
    part_schema,
    union,
    whole,
)
from meshsim.kit.timestamps import to_rfc3339

UPDATE: Final = "Update"
NOT_MANAGED: Final = frozenset({
    "name", "namespace", "uid", "resourceVersion", "creationTimestamp", "generation", "managedFields", "selfLink",
    "deletionTimestamp", "deletionGracePeriodSeconds",
})  # fmt: skip
"""What the server itself keeps in metadata."""
_TYPE: Final = frozenset({"apiVersion", "kind"})
_MOST_UPDATERS: Final = 10
_ANCIENT: Final = "ancient-changes"


@dataclass(frozen=True, slots=True)
class Updating:
    """Who writes, in which version, through which part of the object."""

    manager: str
    api_version: str
    subresource: str
    now: float


def managed_after(
    entries: Sequence[Object], old: Object | None, new: Object, schema: Schema, updating: Updating
) -> list[Object]:
    """Who manages what once the new object has taken the old one's place."""
    changed, removed = _compared(_managed(old or {}), _managed(new), schema)
    if not changed and not removed:
        return list(entries)
    mine = next((entry for entry in entries if _is_by(entry, updating)), None)
    kept = [left for entry in entries if entry is not mine and (left := _less(entry, changed, removed)) is not None]
    fields = cut(union(mine["fieldsV1"], changed) if mine is not None else changed, removed)
    if not fields:
        return kept
    if mine is not None and fields == mine["fieldsV1"]:
        return [*kept, mine]
    return _capped([*kept, _entry(fields, updating)])


def said_entries(said: object, known: Sequence[Object]) -> Sequence[Object]:
    """Who manages what before a write that says so: nobody when it says `[{}]`, as before when that makes no sense."""
    if said == known:
        return known
    if said == [{}]:
        return ()
    if isinstance(said, list) and said and all(_is_entry(entry) for entry in said):
        return said
    return known


def _is_entry(entry: object) -> bool:
    return (
        isinstance(entry, dict)
        and all(isinstance(entry.get(field), str) for field in ("manager", "operation", "apiVersion"))
        and isinstance(entry.get("subresource", ""), str)
        and isinstance(entry.get("time", ""), str)
        and isinstance(entry.get("fieldsV1"), dict)
        and is_field_set(entry["fieldsV1"])
    )


def cut(fields: FieldSet, removed: FieldSet) -> FieldSet:
    """A set without what is gone; a branch without parts in `removed` is gone whole."""
    left: FieldSet = {}
    for name, parts in fields.items():
        if name not in removed:
            left[name] = parts
        elif removed[name]:
            rest = cut(parts, removed[name])
            if rest:
                left[name] = rest
    return left


def _managed(obj: Object) -> Object:
    kept = {name: part for name, part in obj.items() if name not in _TYPE}
    metadata = {name: part for name, part in (obj.get("metadata") or {}).items() if name not in NOT_MANAGED}
    return {**kept, "metadata": metadata}


def _is_by(entry: Object, updating: Updating) -> bool:
    return (
        entry.get("operation") == UPDATE
        and entry.get("manager") == updating.manager
        and entry.get("apiVersion") == updating.api_version
        and entry.get("subresource", "") == updating.subresource
    )


def _less(entry: Object, changed: FieldSet, removed: FieldSet) -> Object | None:
    """Another manager's entry without what it doesn't own any more; None when nothing is left."""
    fields = entry["fieldsV1"]
    left = cut(difference(fields, changed), removed)
    if left == fields:
        return entry
    return {**entry, "fieldsV1": left} if left and left != {"f:metadata": {}} else None


def _entry(fields: FieldSet, updating: Updating) -> Object:
    entry: Object = {
        "manager": updating.manager,
        "operation": UPDATE,
        "apiVersion": updating.api_version,
        "time": to_rfc3339(updating.now),
        "fieldsType": "FieldsV1",
        "fieldsV1": fields,
    }
    return entry | ({"subresource": updating.subresource} if updating.subresource else {})


def _capped(entries: list[Object]) -> list[Object]:
    """Not more updaters than ten: of more the oldest become one."""
    updaters = sorted(
        (entry for entry in entries if entry.get("operation") == UPDATE), key=lambda entry: str(entry.get("time"))
    )
    surplus = updaters[: max(len(updaters) - _MOST_UPDATERS + 1, 0)] if len(updaters) > _MOST_UPDATERS else []
    if not surplus:
        return entries
    fields: FieldSet = {}
    for entry in surplus:
        fields = union(fields, entry["fieldsV1"])
    merged = {**surplus[-1], "manager": _ANCIENT, "fieldsV1": fields}
    return [merged, *(entry for entry in entries if entry not in surplus)]


def _compared(old: Any, new: Any, schema: Schema) -> tuple[FieldSet, FieldSet]:
    """What the new value has added or changed, and what it no longer has, below a value that has parts in both."""
    if isinstance(new, list):
        keys = list_keys([*old, *new], schema)
        items = part_schema(schema, "[]")
        return _differences(_named(old, keys), _named(new, keys), lambda _: items, "")
    return _differences(old, new, lambda name: part_schema(schema, name), "f:")


def _differences(
    old: Object, new: Object, schema_of: Callable[[str], Schema], prefix: str
) -> tuple[FieldSet, FieldSet]:
    changed: FieldSet = {}
    removed: FieldSet = {}
    for name, part in new.items():
        is_new = name not in old
        if not is_new and old[name] == part:
            continue
        schema, step = schema_of(name), prefix + name
        if is_new or not _has_parts(old[name], part, schema):
            changed[step] = whole(part, schema)
            continue
        more, less = _compared(old[name], part, schema)
        if more:
            changed[step] = more
        if less:
            removed[step] = less
    removed |= {prefix + name: {} for name in old if name not in new}
    return changed, removed


def _named(items: list[Any], keys: tuple[str, ...]) -> Object:
    """The items of a list by how a set names them."""
    return {identity_of(item, keys) if keys else member_of(item): item for item in items}


def _has_parts(old: Any, new: Any, schema: Schema) -> bool:
    if isinstance(old, dict) and isinstance(new, dict):
        return not is_atomic(schema)
    if isinstance(old, list) and isinstance(new, list):
        items = [*old, *new]
        return bool(list_keys(items, schema)) or is_set(items, schema)
    return False
