"""Puts a flat chain of operands and operators in order."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from controller.analysis.conditions.errors import ConditionError
from controller.analysis.conditions.nodes import Binary, Call, Node, Unary

_BINARY: Final = {
    "or": 10, "||": 10,
    "and": 15, "&&": 15,
    "==": 20, "!=": 20, "<": 20, ">": 20, ">=": 20, "<=": 20,
    "in": 20, "matches": 20, "contains": 20, "startsWith": 20, "endsWith": 20,
    "..": 25,
    "+": 30, "-": 30,
    "*": 60, "/": 60, "%": 60,
    "**": 100, "^": 100,
    "??": 500,
}  # fmt: skip
_UNARY: Final = {"not": 50, "!": 50, "-": 90, "+": 90}
_PIPE: Final = 0
_RIGHT_TO_LEFT: Final = frozenset({"**", "^"})
_COMPARISONS: Final = frozenset({"<", ">", ">=", "<="})


@dataclass(frozen=True, slots=True)
class Operand:
    """What operators stand between, and the signs before it."""

    signs: tuple[str, ...]
    node: Node


@dataclass(frozen=True, slots=True)
class Infix:
    """An operator; `is_negated` for `not in` and its like."""

    text: str
    is_negated: bool = False


@dataclass(frozen=True, slots=True)
class Pipe:
    """`| name(arguments)`: a call whose first argument stands before it."""

    name: str
    arguments: tuple[Node, ...]


Part = Operand | Infix | Pipe


def tree_of(parts: Sequence[Part]) -> Node:
    """The tree of a chain that begins with an operand and has one after each operator. Raises ConditionError."""
    return _Climber(parts).expression(0)


class _Climber:
    """Precedence climbing: reads on while operators bind at least as strongly as asked."""

    def __init__(self, parts: Sequence[Part]) -> None:
        self._parts = parts
        self._at = 0
        self._signs_used = 0

    def expression(self, precedence: int) -> Node:
        left, before = self._operand(), ""
        while (part := self._next()) is not None and _precedence(part) >= precedence:
            self._at += 1
            if isinstance(part, Pipe):
                left, before = Call(part.name, (left, *part.arguments)), ""
                continue
            if before == "??" and part.text != "??":
                raise ConditionError(
                    f"Operator ({part.text}) and coalesce expressions (??) cannot be mixed. Wrap either by parentheses."
                )
            before = part.text
            left = self._comparison(left, part) if part.text in _COMPARISONS else self._binary(left, part)
        return left

    def _binary(self, left: Node, infix: Infix) -> Node:
        above = 0 if infix.text in _RIGHT_TO_LEFT else 1
        node = Binary(infix.text, left, self.expression(_BINARY[infix.text] + above))
        return Unary("not", node) if infix.is_negated else node

    def _comparison(self, left: Node, infix: Infix) -> Node:
        """`a < b < c` means that both hold."""
        whole: Node | None = None
        part: Part | None = infix
        while isinstance(part, Infix) and part.text in _COMPARISONS:
            if part is not infix:
                self._at += 1
            right = self.expression(_BINARY[part.text] + 1)
            holds = Binary(part.text, left, right)
            whole = holds if whole is None else Binary("&&", whole, holds)
            left, part = right, self._next()
        return whole if whole is not None else left

    def _operand(self) -> Node:
        part = self._parts[self._at]
        if not isinstance(part, Operand):
            raise ConditionError("an operand is missing")
        if self._signs_used < len(part.signs):
            sign = part.signs[self._signs_used]
            self._signs_used += 1
            return Unary(sign, self.expression(_UNARY[sign]))
        self._signs_used = 0
        self._at += 1
        return part.node

    def _next(self) -> Infix | Pipe | None:
        part = self._parts[self._at] if self._at < len(self._parts) else None
        return None if isinstance(part, Operand) else part


def _precedence(part: Infix | Pipe) -> int:
    return _PIPE if isinstance(part, Pipe) else _BINARY[part.text]
