"""What a query says, as a tree. Durations are milliseconds."""

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Number:
    """A number."""

    value: float


@dataclass(frozen=True, slots=True)
class Text:
    """A string."""

    value: str


@dataclass(frozen=True, slots=True)
class Matcher:
    """`label="value"`, with `=`, `!=`, `=~` or `!~`."""

    label: str
    operator: str
    value: str


@dataclass(frozen=True, slots=True)
class Selector:
    """Series by their labels; with a range, their samples over that long."""

    matchers: tuple[Matcher, ...]
    range_ms: int | None = None
    offset_ms: int = 0


@dataclass(frozen=True, slots=True)
class Negation:
    """`-x`."""

    operand: "Node"


@dataclass(frozen=True, slots=True)
class Matching:
    """Which labels make two series a pair, and which side may have several of them."""

    on: bool = False
    """By these labels alone; else by all others."""
    labels: tuple[str, ...] = ()
    many_side: str = ""
    """`left`, `right` or none."""
    include: tuple[str, ...] = ()
    """Labels that the many take over from the one."""


@dataclass(frozen=True, slots=True)
class Operation:
    """Two sides and an operator; `returns_bool` turns a comparison from a filter into 0 and 1."""

    operator: str
    left: "Node"
    right: "Node"
    returns_bool: bool = False
    matching: Matching = Matching()


@dataclass(frozen=True, slots=True)
class Call:
    """A function."""

    name: str
    arguments: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Aggregation:
    """Several series made one per group: by these labels, or by all but these."""

    name: str
    arguments: tuple["Node", ...]
    labels: tuple[str, ...] = ()
    without: bool = False


Node: TypeAlias = Number | Text | Selector | Negation | Operation | Call | Aggregation
