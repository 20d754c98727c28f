"""The ways of changing a part of an object that the API server alone has: JSON patch, strategic merge patch. Pure.

Each returns a new object that shares with the old one what it leaves alone.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from meshsim.api.decode import Object, write_json
from meshsim.api.kinds import Kind
from meshsim.apiserver import refusals
from meshsim.apiserver.kinds.schemas import is_custom
from meshsim.client.api import PatchType

_MAX_COPIED_BYTES: Final = 3 * 1024 * 1024


def is_built_in(kind: Kind) -> bool:
    """Whether the kind is Kubernetes' own, not a custom resource: strategic patches are for those."""
    return not is_custom(kind)


def patch_types(kind: Kind) -> tuple[PatchType, ...]:
    """The patches that objects of the kind can be changed by."""
    strategic = (PatchType.STRATEGIC,) if is_built_in(kind) else ()
    return (PatchType.JSON, PatchType.MERGE, *strategic, PatchType.APPLY)


def json_patch(value: Any, operations: object) -> Any:
    """RFC 6902. Raises InvalidError when an operation makes no sense or a test fails."""
    if not isinstance(operations, list):
        raise refusals.bad_request("a JSON patch is a list of operations")
    copied_bytes = 0
    for operation in operations:
        if not isinstance(operation, dict) or not isinstance(operation.get("path"), str):
            raise refusals.bad_request("an operation of a JSON patch has an op and a path")
        if operation.get("op") == "copy":
            # A copy may be copied again: few operations could ask for gigabytes.
            copied_bytes += len(write_json(_at(value, _steps(operation.get("from")))))
            if copied_bytes > _MAX_COPIED_BYTES:
                raise refusals.too_large(f"the copies of a JSON patch are larger than {_MAX_COPIED_BYTES} bytes")
        value = _operate(value, operation)
    return value


def _operate(value: Any, operation: Object) -> Any:
    steps = _steps(operation["path"])
    match operation.get("op"):
        case "add":
            return _set(value, steps, operation.get("value"), insert=True)
        case "replace":
            _at(value, steps)
            return _set(value, steps, operation.get("value"), insert=False)
        case "remove":
            _at(value, steps)
            return _without(value, steps)
        case "test":
            if _at(value, steps) != operation.get("value"):
                raise refusals.unprocessable(f"testing path {operation['path']} value failed: test failed")
            return value
        case "copy":
            return _set(value, steps, _at(value, _steps(operation.get("from"))), insert=True)
        case "move":
            origin = _steps(operation.get("from"))
            moved = _at(value, origin)
            return _set(_without(value, origin), steps, moved, insert=True)
        case op:
            raise refusals.bad_request(f"a JSON patch has no operation {op!r}")


def _steps(path: object) -> list[str]:
    if path == "":
        return []
    if not isinstance(path, str) or not path.startswith("/"):
        raise refusals.bad_request(f"{path!r} is no JSON pointer")
    return [step.replace("~1", "/").replace("~0", "~") for step in path[1:].split("/")]


def _index(items: list[Any], step: str, *, end: bool) -> int:
    if end and step == "-":
        return len(items)
    if step.isascii() and step.isdigit() and int(step) < len(items) + end:
        return int(step)
    raise refusals.unprocessable(f"Unable to access invalid index: {step}")


def _at(value: Any, steps: Sequence[str]) -> Any:
    for step in steps:
        if isinstance(value, dict) and step in value:
            value = value[step]
        elif isinstance(value, list):
            value = value[_index(value, step, end=False)]
        else:
            raise refusals.unprocessable(f"nonexistent path /{'/'.join(steps)}: missing value")
    return value


def _set(value: Any, steps: Sequence[str], new: Any, *, insert: bool) -> Any:
    if not steps:
        return new
    step, rest = steps[0], steps[1:]
    if isinstance(value, dict):
        if rest and step not in value:
            raise refusals.unprocessable(f"nonexistent path: missing {step}")
        return {**value, step: _set(value.get(step), rest, new, insert=insert)}
    if isinstance(value, list):
        at = _index(value, step, end=insert and not rest)
        if not rest and insert:
            return [*value[:at], new, *value[at:]]
        return [*value[:at], _set(value[at], rest, new, insert=insert), *value[at + 1 :]]
    raise refusals.unprocessable(f"nonexistent path: {step} is inside something that has no parts")


def _without(value: Any, steps: Sequence[str]) -> Any:
    if not steps:
        raise refusals.bad_request("a whole object cannot be removed by a patch")
    step, rest = steps[0], steps[1:]
    if isinstance(value, dict):
        if rest:
            return {**value, step: _without(value[step], rest)}
        return {name: item for name, item in value.items() if name != step}
    at = _index(value, step, end=False)
    return [*value[:at], *([_without(value[at], rest)] if rest else []), *value[at + 1 :]]


_MERGE_KEYS: Final[Mapping[str, tuple[str, ...]]] = {
    "containers": ("name",),
    "initContainers": ("name",),
    "ephemeralContainers": ("name",),
    "env": ("name",),
    "volumes": ("name",),
    "imagePullSecrets": ("name",),
    "volumeMounts": ("mountPath",),
    "volumeDevices": ("devicePath",),
    "ports": ("containerPort", "port"),
    "conditions": ("type",),
    "hostAliases": ("ip",),
    "topologySpreadConstraints": ("topologyKey",),
    "ownerReferences": ("uid",),
    "secrets": ("name",),
    "podIPs": ("ip",),
}
"""List fields that merge by key (`patchMergeKey` of k8s.io/api); of several, the one that the items have."""
_MERGED_SETS: Final = frozenset({"finalizers"})
_ORDER: Final = "$setElementOrder/"
_DELETE_FROM: Final = "$deleteFromPrimitiveList/"


def strategic_merge_patch(value: Any, patch: Any) -> Any:
    """Kubernetes' own merge patch: lists of named things are merged by name, and `$` directives are obeyed.

    Raises InvalidError for a directive that makes no sense.
    """
    if not isinstance(patch, dict):
        return patch
    directive = patch.get("$patch")
    if directive == "replace":
        return {field: item for field, item in patch.items() if field != "$patch"}
    if directive == "delete":
        return {}
    if directive not in (None, "merge"):
        raise refusals.bad_request(f"Unrecognized strategic merge patch directive: {directive}")
    merged = dict(value) if isinstance(value, dict) else {}
    kept = patch.get("$retainKeys")
    if isinstance(kept, list):
        merged = {field: item for field, item in merged.items() if field in kept}
    for field, change in patch.items():
        if field.startswith(_DELETE_FROM):
            name = field.removeprefix(_DELETE_FROM)
            gone = change if isinstance(change, list) else []
            merged[name] = [item for item in merged.get(name) or [] if item not in gone]
        elif not field.startswith("$"):
            _merge_field(merged, field, change, patch.get(_ORDER + field))
    for field in patch:
        name = field.removeprefix(_ORDER)
        if name != field and name not in patch and isinstance(merged.get(name), list):
            merged[name] = _ordered(merged[name], patch[field], _merge_key(name, merged[name]))
    return merged


def _merge_field(merged: Object, field: str, change: Any, order: object) -> None:
    if change is None:
        merged.pop(field, None)
    elif isinstance(change, list):
        merged[field] = _merge_list(field, merged.get(field), change, order)
    else:
        merged[field] = strategic_merge_patch(merged.get(field), change)


def _merge_list(field: str, value: Any, change: list[Any], order: object) -> list[Any]:
    items = value if isinstance(value, list) else []
    if field in _MERGED_SETS:
        return _ordered([*items, *(item for item in change if item not in items)], order, None)
    key = _merge_key(field, [*items, *change])
    if key is None or any(item == {"$patch": "replace"} for item in change):
        return [item for item in change if item != {"$patch": "replace"}]
    merged = list(items)
    for item in change:
        if not isinstance(item, dict) or key not in item:
            raise refusals.bad_request(f"map: {item} does not contain declared merge key: {key}")
        at = next((at for at, known in enumerate(merged) if _has(known, key, item[key])), None)
        if item.get("$patch") == "delete":
            merged = [known for known in merged if not _has(known, key, item[key])]
        elif at is None:
            merged.append(strategic_merge_patch({}, item))
        else:
            merged[at] = strategic_merge_patch(merged[at], item)
    return _ordered(merged, order, key)


def _has(item: object, key: str, value: object) -> bool:
    return isinstance(item, dict) and item.get(key) == value


def _merge_key(field: str, items: list[Any]) -> str | None:
    named = [item for item in items if isinstance(item, dict) and not item.keys() <= {"$patch"}]
    keys = _MERGE_KEYS.get(field, ())
    return next((key for key in keys if named and all(key in item for item in named)), keys[-1] if keys else None)


def _ordered(items: list[Any], order: object, key: str | None) -> list[Any]:
    """The items in the order that `$setElementOrder` asks for; those it doesn't name keep their neighbours."""
    if not isinstance(order, list):
        return items
    wanted = list(_identities(order, key))
    placed = {at: wanted.index(name) for at, name in enumerate(_identities(items, key)) if name in wanted}
    slots = sorted(placed)
    ranked = sorted(slots, key=placed.__getitem__)
    result = list(items)
    for slot, source in zip(slots, ranked, strict=True):
        result[slot] = items[source]
    return result


def _identities(items: list[Any], key: str | None) -> Iterator[Any]:
    return (item.get(key) if key is not None and isinstance(item, dict) else item for item in items)
