"""What a condition says, as a tree."""

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Literal:
    """A number, a text, true, false or nil."""

    value: int | float | str | bool | None


@dataclass(frozen=True, slots=True)
class Array:
    """`[a, b]`."""

    items: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class MapLiteral:
    """`{a: 1}`."""

    pairs: tuple[tuple[str, "Node"], ...]


@dataclass(frozen=True, slots=True)
class Name:
    """A variable."""

    name: str


@dataclass(frozen=True, slots=True)
class Pointer:
    """`#`, `#acc`, `#index`: what a predicate is asked about."""

    name: str


@dataclass(frozen=True, slots=True)
class Unary:
    """One operand: `-`, `+`, `not`."""

    operator: str
    operand: "Node"


@dataclass(frozen=True, slots=True)
class Binary:
    """Two operands."""

    operator: str
    left: "Node"
    right: "Node"


@dataclass(frozen=True, slots=True)
class Conditional:
    """`test ? then : otherwise`, also as if and else."""

    test: "Node"
    then: "Node"
    otherwise: "Node"


@dataclass(frozen=True, slots=True)
class Let:
    """`let name = value; body`."""

    name: str
    value: "Node"
    body: "Node"


@dataclass(frozen=True, slots=True)
class Sequence:
    """Several, of which the last counts."""

    items: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Call:
    """A function by its name."""

    name: str
    arguments: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Block:
    """`{ … }` as an argument: a predicate."""

    body: "Node"


@dataclass(frozen=True, slots=True)
class Member:
    """`.name`."""

    name: str
    is_optional: bool


@dataclass(frozen=True, slots=True)
class Method:
    """`.name(…)`."""

    name: str
    arguments: tuple["Node", ...]
    is_optional: bool


@dataclass(frozen=True, slots=True)
class Index:
    """`[at]`."""

    at: "Node"
    is_optional: bool


@dataclass(frozen=True, slots=True)
class Slice:
    """`[lower:upper]`."""

    lower: "Node | None"
    upper: "Node | None"


Step: TypeAlias = Member | Method | Index | Slice


@dataclass(frozen=True, slots=True)
class Path:
    """A value and what is taken out of it, step by step."""

    base: "Node"
    steps: tuple[Step, ...]


Node: TypeAlias = (
    Literal | Array | MapLiteral | Name | Pointer | Unary | Binary | Conditional | Let | Sequence | Call | Block | Path
)
