"""The types that conditions are checked by before they are evaluated, and the values that have them.

A measured value brings its type along: a float, an int, a bool, a str or None are themselves; a tuple is a list of
floats, as Prometheus gives; a list and a dict are JSON, whose items may be anything; an instant is a datetime, a
duration a timedelta.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Final, TypeAlias

Value: TypeAlias = object


class Kind(Enum):
    """What a value is; the text is how the original names it in messages."""

    UNKNOWN = "unknown"
    NIL = "nil"
    BOOL = "bool"
    INT = "int"
    FLOAT = "float64"
    STRING = "string"
    ARRAY = "[]"
    MAP = "map[string]"
    TIME = "time.Time"
    DURATION = "time.Duration"


@dataclass(frozen=True, slots=True)
class Type:
    """A kind and, for arrays and maps, what is in them."""

    kind: Kind
    elem: "Type | None" = None

    def __str__(self) -> str:
        if self.kind in (Kind.ARRAY, Kind.MAP):
            is_any = self.elem is None or self.elem.kind in (Kind.UNKNOWN, Kind.NIL)
            return f"{self.kind.value}{'interface {}' if is_any else self.elem}"
        return "unknown" if self.kind is Kind.NIL else str(self.kind.value)

    @property
    def item(self) -> "Type":
        """The type of what is in it."""
        return UNKNOWN if self.elem is None else self.elem

    @property
    def is_unknown(self) -> bool:
        """Only the value itself will tell."""
        return self.kind is Kind.UNKNOWN

    @property
    def is_number(self) -> bool:
        """An int or a float."""
        return self.kind in NUMBERS


UNKNOWN: Final = Type(Kind.UNKNOWN)
NIL: Final = Type(Kind.NIL)
BOOL: Final = Type(Kind.BOOL)
INT: Final = Type(Kind.INT)
FLOAT: Final = Type(Kind.FLOAT)
STRING: Final = Type(Kind.STRING)
TIME: Final = Type(Kind.TIME)
DURATION: Final = Type(Kind.DURATION)
ARRAY: Final = Type(Kind.ARRAY)
MAP: Final = Type(Kind.MAP)
NUMBERS: Final = frozenset({Kind.INT, Kind.FLOAT})


def type_of(value: Value) -> Type:
    """The type of a value."""
    match value:
        case None:
            return NIL
        case bool():
            return BOOL
        case tuple():
            return Type(Kind.ARRAY, FLOAT)
        case _:
            return next((known for kind, known in _BY_CLASS if isinstance(value, kind)), UNKNOWN)


_BY_CLASS: Final[tuple[tuple[type, Type], ...]] = (
    (int, INT),
    (float, FLOAT),
    (str, STRING),
    (list, ARRAY),
    (dict, MAP),
    (datetime, TIME),
    (timedelta, DURATION),
)


def go_name(value: Value) -> str:
    """How Go prints the type of a value (%T)."""
    return "<nil>" if value is None else str(type_of(value))


def is_same_type(one: Type, other: Type) -> bool:
    """One can be assigned to the other, both being known."""
    if one.kind is not other.kind or one.is_unknown or one.kind is Kind.NIL:
        return False
    return one.kind not in (Kind.ARRAY, Kind.MAP) or str(one) == str(other)


def are_comparable(one: Type, other: Type) -> bool:
    """Whether `==` makes sense between them."""
    if one.is_unknown or other.is_unknown or Kind.NIL in (one.kind, other.kind):
        return True
    if one.is_number and other.is_number:
        return True
    return one.kind is other.kind is Kind.ARRAY or is_same_type(one, other)
