"""Text to tree."""

import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from meshsim.api.validate.gotext import GoEscapeError, unescaped
from meshsim.telemetry.promql.errors import QueryError
from meshsim.telemetry.promql.nodes import (
    Aggregation,
    Call,
    Matcher,
    Matching,
    Negation,
    Node,
    Number,
    Operation,
    Selector,
    Text,
)

if TYPE_CHECKING:
    from lark import Lark, Token
    from lark.exceptions import UnexpectedInput

_GRAMMAR: Final = Path(__file__).with_name("expression.lark").read_text(encoding="utf-8")
_PRECEDENCE: Final = {
    "or": 1,
    "and": 2, "unless": 2,
    "==": 3, "!=": 3, "<=": 3, "<": 3, ">=": 3, ">": 3,
    "+": 4, "-": 4,
    "*": 5, "/": 5, "%": 5, "atan2": 5,
    "^": 6,
}  # fmt: skip
_SIGN: Final = 5
"""A sign binds as a multiplication does: -2 ^ 2 is -(2 ^ 2)."""
_UNIT_MS: Final = {
    "ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000, "y": 31_536_000_000,
}  # fmt: skip
_PART: Final = re.compile(r"([0-9]+)(ms|[smhdwy])")
_MOST_CHARACTERS: Final = 5_000


def parse(text: str) -> Node:
    """The tree of a query. Raises QueryError."""
    if len(text) > _MOST_CHARACTERS:
        raise QueryError("the query is too long")
    try:
        return _chain(_tree(text).children[0])
    except RecursionError:
        raise QueryError("the query is nested too deeply") from None


def prepare() -> None:
    """Load what the first query needs, a tenth of a second's work."""
    _parser()


def duration_ms(text: str) -> int:
    """A duration like `1h30m`. Raises QueryError."""
    parts = _PART.findall(text)
    if not parts or "".join(map("".join, parts)) != text:
        raise QueryError(f'not a valid duration string: "{text}"')
    return sum(int(count) * _UNIT_MS[unit] for count, unit in parts)


def _tree(text: str) -> Any:
    from lark.exceptions import UnexpectedInput  # noqa: PLC0415

    try:
        return _parser().parse(text)
    except UnexpectedInput as error:
        place = "end of input" if error.line in (-1, None) else f"{error.line}:{error.column}"
        raise QueryError(f"{place}: parse error: {_complaint(error)}") from None


@cache
def _parser() -> "Lark":
    # Most proxies are asked nothing: what reads queries is loaded with the first.
    from lark import Lark  # noqa: PLC0415

    return Lark(_GRAMMAR, parser="lalr", maybe_placeholders=False)


def _complaint(error: "UnexpectedInput") -> str:
    token = getattr(error, "token", None)
    if token is not None:
        return "unexpected end of input" if token.type == "$END" else f"unexpected {str(token)!r}"
    return f"unexpected character: {getattr(error, 'char', '')!r}"


def _chain(tree: Any) -> Node:
    return _Climber(tree.children).expression(0)


class _Climber:
    """Precedence climbing over operands and operators in turn."""

    def __init__(self, parts: Sequence[Any]) -> None:
        self._parts = list(parts)
        self._at = 0

    def expression(self, precedence: int) -> Node:
        left = self._operand(precedence)
        while self._at < len(self._parts):
            infix = self._parts[self._at]
            operator = str(infix.children[0].children[0]).lower()
            level = _PRECEDENCE[operator]
            if level <= precedence:
                break
            self._at += 1
            # The power is the one that binds to the right.
            right = self.expression(level - 1 if operator == "^" else level)
            left = _operation(operator, infix.children[1:], left, right)
        return left

    def _operand(self, precedence: int) -> Node:
        *signs, operand = self._parts[self._at].children
        if not signs:
            self._at += 1
            return _OPERANDS[operand.data](operand)
        is_negative = sum(str(sign.children[0]) == "-" for sign in signs) % 2 == 1
        self._parts[self._at] = _Unsigned([operand])
        node = self.expression(max(precedence, _SIGN))
        if not is_negative:
            return node
        return Number(-node.value) if isinstance(node, Number) else Negation(node)


class _Unsigned:
    """An operand whose signs are dealt with."""

    def __init__(self, children: list[Any]) -> None:
        self.children = children


def _operation(operator: str, modifiers: Sequence[Any], left: Node, right: Node) -> Node:
    returns_bool, matching = False, Matching()
    for modifier in modifiers:
        if isinstance(modifier, str):
            returns_bool = True
        elif modifier.data == "matching":
            labels = _labels(modifier.children[1:])
            matching = Matching(modifier.children[0].type == "ON", labels)
        else:
            side = "left" if modifier.children[0].type == "GROUP_LEFT" else "right"
            matching = Matching(matching.on, matching.labels, side, _labels(modifier.children[1:]))
    if returns_bool and _PRECEDENCE[operator] != 3:
        raise QueryError("parse error: bool modifier can only be used on comparison operators")
    return Operation(operator, left, right, returns_bool, matching)


def _labels(trees: Sequence[Any]) -> tuple[str, ...]:
    return tuple(str(tree.children[0]) for tree in trees)


def _number(tree: Any) -> Node:
    text = str(tree.children[0]).lower()
    return Number(float(int(text, 16)) if text.startswith("0x") else float(text))


def _call(tree: Any) -> Node:
    return Call(str(tree.children[0]), tuple(map(_chain, tree.children[1:])))


def _aggregation(tree: Any) -> Node:
    name = str(tree.children[0]).lower()
    clause = next((child for child in tree.children[1:] if child.data == "clause"), None)
    arguments = tuple(_chain(child) for child in tree.children[1:] if child.data != "clause")
    if clause is None:
        return Aggregation(name, arguments)
    return Aggregation(name, arguments, _labels(clause.children[1:]), without=clause.children[0].type == "WITHOUT")


def _selector(tree: Any) -> Node:
    matchers: list[Matcher] = []
    range_ms, offset_ms = None, 0
    for child in tree.children:
        match child.data:
            case "metric":
                matchers.append(Matcher("__name__", "=", str(child.children[0])))
            case "braces":
                matchers += map(_matcher, child.children)
            case "window":
                range_ms = duration_ms(str(child.children[0]))
            case _:
                *signs, duration = child.children
                sign = -1 if signs and str(signs[0].children[0]) == "-" else 1
                offset_ms = sign * duration_ms(str(duration))
    if all(_matches_nothing(matcher) for matcher in matchers):
        raise QueryError("parse error: vector selector must contain at least one non-empty matcher")
    if range_ms == 0:
        raise QueryError("parse error: duration must be greater than 0")
    return Selector(tuple(matchers), range_ms, offset_ms)


def _matches_nothing(matcher: Matcher) -> bool:
    """It also matches a label that isn't there, so that it chooses nothing."""
    return matcher.operator in ("!=", "!~") or not matcher.value or matcher.value == ".*"


def _matcher(tree: Any) -> Matcher:
    label, operator, value = tree.children
    return Matcher(str(label.children[0]), str(operator), _text(value))


def _text(token: "Token") -> str:
    if token.startswith("`"):
        return token[1:-1]
    try:
        return unescaped(token)
    except GoEscapeError as error:
        raise QueryError(f"parse error: {error}") from None


_OPERANDS: Final = {
    "number": _number,
    "string": lambda tree: Text(_text(tree.children[0])),
    "group": lambda tree: _chain(tree.children[0]),
    "call": _call,
    "aggregation": _aggregation,
    "selector": _selector,
}
