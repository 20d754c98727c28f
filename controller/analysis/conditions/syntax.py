"""Text to tree."""

from functools import cache
from pathlib import Path as File
from typing import TYPE_CHECKING, Any, Final

from controller.analysis.conditions.errors import ConditionError
from controller.analysis.conditions.nodes import (
    Array,
    Block,
    Call,
    Conditional,
    Index,
    Let,
    Literal,
    MapLiteral,
    Member,
    Method,
    Name,
    Node,
    Path,
    Pointer,
    Sequence,
    Slice,
    Step,
)
from controller.analysis.conditions.precedence import Infix, Operand, Part, Pipe, tree_of
from meshsim.api.validate.gotext import GoEscapeError, quote, unescaped

if TYPE_CHECKING:
    from lark import Lark, Token

_GRAMMAR: Final = File(__file__).with_name("expression.lark").read_text(encoding="utf-8")
_CONSTANTS: Final[dict[str, bool | None]] = {"true": True, "false": False, "nil": None}
_MOST_CHARACTERS: Final = 100_000


def parse(text: str) -> Node:
    """The tree of a condition. Raises ConditionError."""
    if len(text) > _MOST_CHARACTERS:
        raise ConditionError("the expression is too long")
    try:
        return _sequence(_tree(text).children[0])
    except RecursionError:
        raise ConditionError("the expression is nested too deeply") from None


@cache
def _parser() -> "Lark":
    # Most clusters judge nothing: what reads conditions is loaded with the first.
    from lark import Lark  # noqa: PLC0415

    return Lark(_GRAMMAR, parser="lalr", maybe_placeholders=False)


def _tree(text: str) -> Any:
    from lark.exceptions import UnexpectedCharacters, UnexpectedInput, UnexpectedToken  # noqa: PLC0415

    try:
        return _parser().parse(text)
    except UnexpectedToken as error:
        token = error.token
        complaint = "unexpected token EOF" if token.type == "$END" else f"unexpected token {quote(str(token))}"
    except UnexpectedCharacters as error:
        complaint = f"unrecognized character: {quote(error.char)}"
    except UnexpectedInput:
        complaint = "unexpected end of expression"
    raise ConditionError(complaint)


def _sequence(tree: Any) -> Node:
    items = tuple(_node(child) for child in tree.children)
    return items[0] if len(items) == 1 else Sequence(items)


def _node(tree: Any) -> Node:
    children: list[Any] = tree.children
    match tree.data:
        case "let":
            return Let(str(children[0]), _node(children[1]), _sequence(children[2]))
        case "if":
            return Conditional(_node(children[0]), _branch(children[1]), _branch(children[2]))
        case "ternary":
            return Conditional(*map(_node, children))
        case "elvis":
            test = _node(children[0])
            return Conditional(test, test, _node(children[1]))
        case "block":
            return Block(_sequence(children[0]))
        case _:
            return tree_of([_part(child) for child in children])


def _branch(tree: Any) -> Node:
    return _sequence(tree) if tree.data == "sequence" else _node(tree)


def _part(tree: Any) -> Part:
    if tree.data == "infix":
        words = [str(token) for token in tree.children]
        return Infix(words[-1], is_negated=len(words) > 1)
    if tree.data == "pipe":
        return Pipe(str(tree.children[0]), tuple(map(_node, tree.children[1:])))
    *signs, operand = tree.children
    return Operand(tuple(str(sign.children[0]) for sign in signs), _operand(operand))


def _operand(tree: Any) -> Node:
    atom, *steps = tree.children
    base = _atom(atom)
    return Path(base, tuple(map(_step, steps))) if steps else base


def _atom(tree: Any) -> Node:  # noqa: PLR0911 - a line a rule of the grammar
    children: list[Any] = tree.children
    match tree.data:
        case "number":
            return Literal(_number(children[0]))
        case "string" | "raw_string":
            return Literal(_text(children[0]))
        case "name":
            name = str(children[0])
            return Literal(_CONSTANTS[name]) if name in _CONSTANTS else Name(name)
        case "call":
            return Call(str(children[0]), tuple(map(_node, children[1:])))
        case "group":
            return _sequence(children[0])
        case "pointer":
            return Pointer(str(children[0]) if children else "")
        case "implied":
            return Path(Pointer(""), (Member(str(children[0]), is_optional=False),))
        case "array":
            return Array(tuple(map(_node, children)))
        case _:
            return MapLiteral(tuple((_key(pair.children[0]), _node(pair.children[1])) for pair in children))


def _step(tree: Any) -> Step:
    children: list[Any] = tree.children
    is_optional = any(getattr(child, "type", "") == "OPTIONAL" for child in children)
    match tree.data:
        case "member":
            return Member(str(children[1].children[0]), is_optional)
        case "method":
            return Method(str(children[1].children[0]), tuple(map(_node, children[2:])), is_optional)
        case "index":
            return Index(_node(children[-1]), is_optional)
        case _:
            bounds = {str(child.data): _node(child.children[0]) for child in children}
            return Slice(bounds.get("lower"), bounds.get("upper"))


def _key(token: "Token") -> str:
    return _text(token) if token.type == "STRING" else str(token)


def _number(token: "Token") -> int | float:
    text = token.replace("_", "").lower()
    if text.startswith(("0x", "0o", "0b")):
        number: int | float = int(text, 0)
    elif "." in text or "e" in text:
        return float(text)
    else:
        number = int(text)
    if number >= 2**63:
        raise ConditionError(f"invalid integer literal: {quote(str(token))} is out of range")
    return number


def _text(token: "Token") -> str:
    if token.type == "RAW_STRING":
        return token[1:-1]
    try:
        return unescaped(token)
    except GoEscapeError:
        raise ConditionError("invalid char escape") from None
