"""Reading objects that nobody has checked: what has another shape than expected counts as absent. Pure."""

from collections.abc import Callable
from typing import Any

from meshsim.api.decode import Object


def mapping(value: object) -> Object:
    """The value if it is a mapping, else an empty one."""
    return value if isinstance(value, dict) else {}


def mappings(value: object) -> list[Object]:
    """The mappings in a list; nothing if it is no list."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def at(path: str) -> Callable[[Object], Any]:
    """Reads the value at a dotted path; None where something on the way is missing."""
    steps = path.split(".")

    def read(obj: Object) -> Any:
        value: Any = obj
        for step in steps:
            value = value.get(step) if isinstance(value, dict) else None
        return value

    return read
