"""Server-side apply: a manager says what it wants of an object; the rest belongs to others. Pure.

What others set by applying, updating or patching is theirs: kept for them, and a conflict when it is to change.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from meshsim.api.decode import FieldError, Object, read_json
from meshsim.api.kinds import Kind
from meshsim.apiserver import refusals
from meshsim.apiserver.kinds.schemas import full_schema
from meshsim.apiserver.refusals import Cause
from meshsim.apiserver.writing.fieldsets import (
    FieldSet,
    Schema,
    difference,
    fields_of,
    identity_of,
    is_atomic,
    is_set,
    leaves,
    list_keys,
    part_schema,
    readable,
    union,
    value_at,
    without,
)
from meshsim.apiserver.writing.managers import UPDATE
from meshsim.kit.timestamps import to_rfc3339

_KUBECTL: Final = "kubectl"
_CLIENT_SIDE: Final = "kubectl-client-side-apply"
_LAST_APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"
_NOT_APPLIED: Final = ("apiVersion", "kind")
_IDENTITY: Final = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp", "generation", "managedFields")


@dataclass(frozen=True, slots=True)
class Applying:
    """Who applies, through which part of the object, and whether others' fields may be taken."""

    manager: str
    force: bool
    subresource: str
    now: float


def applied(kind: Kind, live: Object | None, wanted: Object, applying: Applying) -> tuple[Object, list[Object]]:
    """The object with what the manager wants, without what it wanted before and nobody else does; who manages what.

    Raises ConflictError when a field is another manager's, unless forced.
    """
    schema = full_schema(kind)
    metadata = {name: part for name, part in wanted["metadata"].items() if name not in _IDENTITY}
    wishes = {name: part for name, part in wanted.items() if name not in _NOT_APPLIED} | {"metadata": metadata}
    mine = fields_of(wishes, schema)
    if not metadata:
        del mine["f:metadata"]
    entries = _entries(live)
    others = [entry for entry in entries if not _is_by(entry, applying)]
    if live is not None:
        asked = [] if applying.force else _client_side(live, others, schema, applying)
        _check_conflicts(live, wanted, mine, asked)
    if applying.force:
        others = [kept for entry in others if (kept := _giving_up(entry, mine))]
    before: FieldSet = next((entry["fieldsV1"] for entry in entries if _is_by(entry, applying)), {})
    others_fields: FieldSet = {}
    for entry in others:
        others_fields = union(others_fields, entry["fieldsV1"])
    dropped = difference(difference(before, mine), others_fields)
    merged: Object = _merge(without(live, dropped) if live is not None else {}, wishes, schema)
    entry = _entry(wanted["apiVersion"], mine, applying)
    kept_time = next((old for old in entries if _is_by(old, applying) and old["fieldsV1"] == mine), entry)
    identity = {"apiVersion": wanted["apiVersion"], "kind": wanted["kind"]}
    return merged | identity | {"metadata": _metadata(live, wanted, merged["metadata"])}, [*others, kept_time]


def _metadata(live: Object | None, wanted: Object, merged: Object) -> Object:
    identity = {**wanted["metadata"], **(live["metadata"] if live is not None else {})}
    kept = {name: identity[name] for name in _IDENTITY if name in identity}
    if wanted["metadata"].get("resourceVersion"):
        kept["resourceVersion"] = wanted["metadata"]["resourceVersion"]
    return {**merged, **kept}


def _entries(live: Object | None) -> list[Object]:
    entries = live["metadata"].get("managedFields") if live is not None else None
    return list(entries or ())


def _is_by(entry: Object, applying: Applying) -> bool:
    who = (entry.get("operation"), entry.get("manager"), entry.get("subresource", ""))
    return who == ("Apply", applying.manager, applying.subresource)


def _entry(api_version: str, fields: FieldSet, applying: Applying) -> Object:
    entry: Object = {
        "manager": applying.manager,
        "operation": "Apply",
        "apiVersion": api_version,
        "time": to_rfc3339(applying.now),
        "fieldsType": "FieldsV1",
        "fieldsV1": fields,
    }
    return entry | ({"subresource": applying.subresource} if applying.subresource else {})


def _giving_up(entry: Object, taken: FieldSet) -> Object | None:
    """Another manager's entry without what is taken from it, None when nothing is left."""
    left = difference(entry["fieldsV1"], taken)
    return {**entry, "fieldsV1": left} if left else None


def _check_conflicts(live: Object, wanted: Object, mine: FieldSet, others: list[Object]) -> None:
    causes = [cause for entry in others for cause in _conflicts(live, wanted, mine, entry)]
    if len(causes) == 1:
        raise refusals.apply_conflict(f"Apply failed with 1 conflict: {causes[0].message}: {causes[0].field}", causes)
    if causes:
        by_manager: dict[str, list[str]] = {}
        for cause in causes:
            by_manager.setdefault(cause.message.removeprefix("conflict "), []).append(f"- {cause.field}")
        lines = [line for who in sorted(by_manager) for line in (f"conflicts {who}:", *by_manager[who])]
        listed = "\n".join(lines)
        raise refusals.apply_conflict(f"Apply failed with {len(causes)} conflicts: {listed}", causes)


def _conflicts(live: Object, wanted: Object, mine: FieldSet, entry: Object) -> Iterator[Cause]:
    theirs = set(leaves(entry["fieldsV1"]))
    for path in leaves(mine):
        if path in theirs and value_at(live, path) != value_at(wanted, path):
            yield Cause(readable(path), f"conflict with {_told(entry)}", "FieldManagerConflict")


def _told(entry: Object) -> str:
    """A manager as a conflict names it."""
    part = f' with subresource "{entry["subresource"]}"' if entry.get("subresource") else ""
    version = f" using {entry.get('apiVersion')}" if entry.get("operation") == UPDATE else ""
    return f'"{entry["manager"]}"{part}{version}'


def _client_side(live: Object | None, others: list[Object], schema: Schema, applying: Applying) -> list[Object]:
    """Others' entries as they count for conflicts: what kubectl applied from its own side is kubectl's to change."""
    annotations = (live or {"metadata": {}})["metadata"].get("annotations") or {}
    if applying.manager != _KUBECTL or _LAST_APPLIED not in annotations:
        return others
    try:
        last = read_json(annotations[_LAST_APPLIED])
    except FieldError:
        return others
    applied_before = fields_of(last, schema) if isinstance(last, dict) else {}
    return [
        {**entry, "fieldsV1": difference(entry["fieldsV1"], applied_before)} if _is_client_side(entry) else entry
        for entry in others
    ]


def _is_client_side(entry: Object) -> bool:
    return entry.get("operation") == UPDATE and entry.get("manager") == _CLIENT_SIDE


def _merge(live: Any, wanted: Any, schema: Schema) -> Any:
    if isinstance(wanted, dict) and not is_atomic(schema):
        base = live if isinstance(live, dict) else {}
        merged = {name: _merge(base.get(name), part, part_schema(schema, name)) for name, part in wanted.items()}
        return {**base, **merged}
    if isinstance(wanted, list) and isinstance(live, list):
        keys = list_keys([*live, *wanted], schema)
        if keys:
            return _merge_items(live, wanted, keys, part_schema(schema, "[]"))
        if is_set([*live, *wanted], schema):
            return [*live, *(item for item in wanted if item not in live)]
    return wanted


def _merge_items(live: list[Object], wanted: list[Object], keys: tuple[str, ...], schema: Schema) -> list[Object]:
    wishes = {identity_of(item, keys): item for item in wanted}
    present = {identity_of(item, keys) for item in live}
    merged = [
        _merge(item, wishes[identity], schema) if (identity := identity_of(item, keys)) in wishes else item
        for item in live
    ]
    return merged + [item for identity, item in wishes.items() if identity not in present]
