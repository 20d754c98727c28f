"""Header operations of routes and destinations, compiled: remove, then set, then add, as Envoy evaluates them."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from meshsim.api.networking import HeaderOperations, Headers
from meshsim.mesh.format import FormatContext, Formatter, compile_format, is_literal

Line = tuple[bytes, bytes]
_AUTHORITY_NAMES = ("host", ":authority")


@dataclass(frozen=True, slots=True)
class Assignment:
    """A header and its value: fixed, or to be formatted for each exchange."""

    name: bytes
    literal: bytes
    formatter: Formatter | None = None

    def value(self, context: FormatContext) -> bytes:
        """The value for an exchange; an empty one means that the header isn't sent."""
        if self.formatter is None:
            return self.literal
        return self.formatter(context).encode("latin-1", "replace")


@dataclass(frozen=True, slots=True)
class Operations:
    """What happens to a header section, evaluated in one go: all values are formed before the first is set."""

    remove: frozenset[bytes] = frozenset()
    set: tuple[Assignment, ...] = ()
    add: tuple[Assignment, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.remove or self.set or self.add)

    def apply(self, lines: list[Line], context: FormatContext) -> list[Line]:
        """The lines afterwards."""
        if self.remove:
            lines = [line for line in lines if line[0] not in self.remove]
        assigned = [(a.name, value) for a in self.set if (value := a.value(context))]
        added = [(a.name, value) for a in self.add if (value := a.value(context))]
        for name, value in assigned:
            lines = _overwritten(lines, name, value)
        return lines + added


Stages = tuple[Operations, ...]
"""Operations one after the other."""


def apply_stages(stages: Stages, lines: list[Line], context: FormatContext) -> list[Line]:
    """The lines after all stages."""
    for operations in stages:
        lines = operations.apply(lines, context)
    return lines


def compile_stages(levels: Iterable[HeaderOperations | None], *, merged: bool) -> Stages:
    """The stages of several levels of operations.

    Merged, as istiod does for a route with a single destination, they are one stage; otherwise one each.
    """
    compiled = [_operations(level) for level in levels if level is not None]
    if merged and len(compiled) > 1:
        compiled = [
            Operations(
                frozenset().union(*(operations.remove for operations in compiled)),
                tuple(a for operations in compiled for a in operations.set),
                tuple(a for operations in compiled for a in operations.add),
            )
        ]
    return tuple(operations for operations in compiled if operations)


def authority_of(headers: Headers | None) -> str | None:
    """The Host that request operations set, if any: it is a rewrite, no header."""
    operations = headers.request if headers else None
    if operations is None:
        return None
    given = (*operations.set.items(), *operations.add.items())
    return next((value for name, value in given if name.lower() in _AUTHORITY_NAMES), None)


def _operations(level: HeaderOperations) -> Operations:
    return Operations(
        frozenset(name.lower().encode() for name in level.remove if _may_change(name)),
        _assignments(level.set),
        _assignments(level.add),
    )


def _assignments(values: dict[str, str]) -> tuple[Assignment, ...]:
    return tuple(
        Assignment(name.lower().encode(), *_value(value)) for name, value in sorted(values.items()) if _may_change(name)
    )


def _value(text: str) -> tuple[bytes, Callable[[FormatContext], str] | None]:
    formatter = compile_format(text)
    if is_literal(text):
        return text.replace("%%", "%").encode(), None
    return b"", formatter


def _may_change(name: str) -> bool:
    return not name.startswith(":") and name.lower() != "host"


def _overwritten(lines: list[Line], name: bytes, value: bytes) -> list[Line]:
    """The header once, in the place of its first line."""
    result: list[Line] = []
    done = False
    for line in lines:
        if line[0] != name:
            result.append(line)
        elif not done:
            result.append((name, value))
            done = True
    if not done:
        result.append((name, value))
    return result
