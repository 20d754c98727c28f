"""The JSON paths of definitions: `.spec.a`, `.a['b.c']`, `.a[0]`, `.a[?(@.type=="Ready")].status`. Pure."""

import re
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

_STEP: Final = re.compile(
    r"\.(?P<name>(?:[-\w/]|\\\.)+)"
    r"|\[(?P<index>\d+)\]"
    r"|\[(?P<quote>['\"])(?P<key>[^'\"]*)(?P=quote)\]"
    r"|\[\?\(@\.(?P<field>[-\w]+)\s*==\s*(?P<mark>['\"])(?P<value>[^'\"]*)(?P=mark)\)\]"
)


class Step(NamedTuple):
    """One step into a value: a field, a place in a list, or the first item whose field has a value."""

    field: str = ""
    place: int | None = None
    value: str | None = None


def steps_of(path: str) -> tuple[Step, ...]:
    """The steps of a path. Raises ValueError for one that cannot be read."""
    text = path if path.startswith((".", "[")) else f".{path}"
    steps: list[Step] = []
    at = 0
    while at < len(text):
        found = _STEP.match(text, at)
        if found is None:
            raise ValueError(f"{path} is no JSON path that is understood here")
        at = found.end()
        if found["index"] is not None:
            steps.append(Step(place=int(found["index"])))
        elif found["field"] is not None:
            steps.append(Step(found["field"], value=found["value"]))
        else:
            steps.append(Step((found["name"] or found["key"] or "").replace("\\.", ".")))
    return tuple(steps)


def value_at(steps: Sequence[Step], value: Any) -> Any:
    """What an object has at the end of a path, None when nothing is there."""
    for step in steps:
        if step.place is not None:
            value = value[step.place] if isinstance(value, list) and step.place < len(value) else None
        elif step.value is not None:
            items = value if isinstance(value, list) else []
            value = next(
                (item for item in items if isinstance(item, dict) and item.get(step.field) == step.value), None
            )
        else:
            value = value.get(step.field) if isinstance(value, dict) else None
    return value
