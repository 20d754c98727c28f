"""What operators do: which types they take, and what becomes of the values."""

import math
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

import re2

from controller.analysis.conditions.errors import ConditionError
from controller.analysis.conditions.types import (
    BOOL,
    DURATION,
    FLOAT,
    INT,
    STRING,
    TIME,
    UNKNOWN,
    Kind,
    Type,
    Value,
    are_comparable,
    go_name,
    is_same_type,
    type_of,
)

_N, _S, _T, _D = Kind.FLOAT, Kind.STRING, Kind.TIME, Kind.DURATION
_Rules = dict[tuple[Kind, Kind], Type | None]
_ORDERED: Final[_Rules] = {(kind, kind): BOOL for kind in (_N, _S, _T, _D)}
_RULES: Final[dict[str, _Rules]] = {
    "<": _ORDERED,
    ">": _ORDERED,
    "<=": _ORDERED,
    ">=": _ORDERED,
    "+": {(_N, _N): None, (_S, _S): STRING, (_T, _D): TIME, (_D, _T): TIME, (_D, _D): DURATION},
    "-": {(_N, _N): None, (_T, _T): DURATION, (_T, _D): TIME, (_D, _D): DURATION},
    "*": {(_N, _N): None, (_N, _D): DURATION, (_D, _N): DURATION, (_D, _D): DURATION},
    "/": {(_N, _N): FLOAT},
    "**": {(_N, _N): FLOAT},
    "^": {(_N, _N): FLOAT},
    "contains": {(_S, _S): BOOL},
    "startsWith": {(_S, _S): BOOL},
    "endsWith": {(_S, _S): BOOL},
    "matches": {(_S, _S): BOOL},
}
"""Operand kinds (both kinds of numbers stand as FLOAT) and the type that results, None for the wider of two numbers."""
_WHOLE: Final[dict[str, Type]] = {"%": INT, "..": Type(Kind.ARRAY, INT)}
_MOST_IN_A_RANGE: Final = 1_000_000


def binary_type(operator: str, left: Type, right: Type) -> Type:
    """The type of what an operator returns. Raises ConditionError when it doesn't take those types."""
    if operator in ("==", "!="):
        known = BOOL if are_comparable(left, right) else None
    elif operator == "in":
        known = _type_of_in(left, right)
    elif operator in _WHOLE:
        is_whole = all(side.is_unknown or side.kind is Kind.INT for side in (left, right))
        known = _WHOLE[operator] if is_whole else None
    else:
        known = _ruled_type(operator, left, right)
    if known is None:
        raise ConditionError(f"invalid operation: {operator} (mismatched types {left} and {right})")
    return known


def _ruled_type(operator: str, left: Type, right: Type) -> Type | None:
    rules = _RULES[operator]
    if left.is_unknown or right.is_unknown:
        sides = {kind for pair in rules for kind in pair}
        is_possible = all(side.is_unknown or _rule_kind(side) in sides for side in (left, right))
        returned = set(rules.values())
        return (returned.pop() or UNKNOWN if len(returned) == 1 else UNKNOWN) if is_possible else None
    pair = _rule_kind(left), _rule_kind(right)
    if pair not in rules:
        return None
    return rules[pair] or (FLOAT if Kind.FLOAT in (left.kind, right.kind) else INT)


def _rule_kind(one: Type) -> Kind:
    return Kind.FLOAT if one.is_number else one.kind


def _type_of_in(left: Type, right: Type) -> Type | None:
    if right.kind is Kind.MAP:
        if not left.is_unknown and left.kind is not Kind.STRING:
            raise ConditionError(f"cannot use {left} as type string in map key")
        return BOOL
    if right.kind is Kind.ARRAY:
        if not are_comparable(left, right.item):
            raise ConditionError(f"cannot use {left} as type {right.item} in array")
        return BOOL
    if right.is_unknown or (left.is_unknown and right.kind is Kind.STRING):
        return BOOL
    return None


def apply(operator: str, left: Value, right: Value) -> Value:
    """Evaluate an operator on two values. Raises ConditionError for values that it doesn't take."""
    return _OPERATORS[operator](left, right)


def negated(value: Value) -> Value:
    """`-value`."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _wrapped(-value) if isinstance(value, int) else -value
    raise ConditionError(f"invalid operation: - {go_name(value)}")


def truth(value: Value) -> bool:
    """The value, which is to be a bool. Raises ConditionError."""
    if isinstance(value, bool):
        return value
    raise ConditionError(f"interface conversion: interface {{}} is {go_name(value)}, not bool")


def are_equal(left: Value, right: Value) -> bool:
    """Numbers are equal across their types; everything else only within its own."""
    if _are_numbers(left, right):
        return left == right
    if isinstance(left, list | tuple) and isinstance(right, list | tuple):
        return len(left) == len(right) and all(map(are_equal, left, right))
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(are_equal(value, right[key]) for key, value in left.items())
    return type_of(left).kind is type_of(right).kind and left == right


def is_in(needle: Value, hay: Value) -> bool:
    """Whether an array has the item or a map the key. Raises ConditionError for anything else."""
    if hay is None:
        return False
    if isinstance(hay, list | tuple):
        return any(are_equal(item, needle) for item in hay)
    if isinstance(hay, dict):
        return isinstance(needle, str) and needle in hay
    raise ConditionError(f'operator "in" not defined on {go_name(hay)}')


def whole_number(value: Value) -> int:
    """A number without its fraction. Raises ConditionError for what is no number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ConditionError(f"invalid operation: int({go_name(value)})")
    if isinstance(value, float):
        return _wrapped(int(value)) if math.isfinite(value) else -(2**63)
    return value


def _are_numbers(*values: Value) -> bool:
    return all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)


def _wrapped(number: int) -> int:
    """Integers have 64 bits."""
    return (number + 2**63) % 2**64 - 2**63


def _refusal(operator: str, left: Value, right: Value) -> ConditionError:
    return ConditionError(f"invalid operation: {go_name(left)} {operator} {go_name(right)}")


def _ordered(operator: str, compare: Callable[[float, float], bool]) -> Callable[[Value, Value], Value]:
    def run(left: Value, right: Value) -> Value:
        are_alike = type_of(left).kind in (Kind.STRING, Kind.TIME, Kind.DURATION) and is_same_type(
            type_of(left), type_of(right)
        )
        if not are_alike and not _are_numbers(left, right):
            raise _refusal(operator, left, right)
        return compare(left, right)  # type: ignore[arg-type] # alike: whatever they are, they have an order

    return run


def _calculated(operator: str, calculate: Callable[[float, float], float]) -> Callable[[Value, Value], Value]:
    rules = _RULES[operator]

    def run(left: Value, right: Value) -> Value:
        if (_rule_kind(type_of(left)), _rule_kind(type_of(right))) not in rules:
            raise _refusal(operator, left, right)
        if isinstance(left, timedelta) and isinstance(right, timedelta) and operator == "*":
            # A duration is a number of nanoseconds there.
            return left * (right / timedelta(microseconds=1) * 1000)
        try:
            result = calculate(left, right)  # type: ignore[arg-type] # the rules say that they fit
        except OverflowError:
            raise _refusal(operator, left, right) from None
        return _wrapped(result) if isinstance(result, int) else result

    return run


def _divided(left: Value, right: Value) -> Value:
    if not _are_numbers(left, right):
        raise _refusal("/", left, right)
    dividend, divisor = float(left), float(right)  # type: ignore[arg-type] # they are numbers
    if divisor:
        return dividend / divisor
    if dividend == 0 or math.isnan(dividend):
        return math.nan
    return math.copysign(math.inf, dividend) * math.copysign(1, divisor)


def _powered(left: Value, right: Value) -> Value:
    if not _are_numbers(left, right):
        raise _refusal("**", left, right)
    base, exponent = float(left), float(right)  # type: ignore[arg-type] # they are numbers
    try:
        return math.pow(base, exponent)
    except OverflowError:
        return -math.inf if base < 0 and exponent % 2 == 1 else math.inf
    except ValueError:
        return math.inf if base == 0 else math.nan


def _remainder(left: Value, right: Value) -> Value:
    if type_of(left).kind is not Kind.INT or type_of(right).kind is not Kind.INT:
        raise _refusal("%", left, right)
    dividend, divisor = whole_number(left), whole_number(right)
    if divisor == 0:
        raise ConditionError("integer divide by zero")
    rest = abs(dividend) % abs(divisor)
    return -rest if dividend < 0 else rest


def _ranged(left: Value, right: Value) -> Value:
    first, last = whole_number(left), whole_number(right)
    if last - first >= _MOST_IN_A_RANGE:
        raise ConditionError("memory budget exceeded")
    return list(range(first, last + 1))


def _worded(operator: str, holds: Callable[[str, str], bool]) -> Callable[[Value, Value], Value]:
    def run(left: Value, right: Value) -> Value:
        if not isinstance(left, str) or not isinstance(right, str):
            raise _refusal(operator, left, right)
        return holds(left, right)

    return run


def check_pattern(pattern: str) -> None:
    """Raise ConditionError for a pattern that is none."""
    _matches("", pattern)


def _matches(text: str, pattern: str) -> bool:
    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(pattern, options).search(text) is not None
    except re2.error as error:
        reason = error.args[0].decode() if isinstance(error.args[0], bytes) else str(error.args[0])
        raise ConditionError(f"error parsing regexp: {reason}") from None


def _added(left: float, right: float) -> float:
    if isinstance(left, timedelta) and isinstance(right, datetime):
        return right + left
    return left + right


_OPERATORS: Final[dict[str, Callable[[Value, Value], Value]]] = {
    "==": are_equal,
    "!=": lambda left, right: not are_equal(left, right),
    "<": _ordered("<", lambda left, right: left < right),
    ">": _ordered(">", lambda left, right: left > right),
    "<=": _ordered("<=", lambda left, right: left <= right),
    ">=": _ordered(">=", lambda left, right: left >= right),
    "+": _calculated("+", _added),
    "-": _calculated("-", lambda left, right: left - right),
    "*": _calculated("*", lambda left, right: left * right),
    "/": _divided,
    "**": _powered,
    "^": _powered,
    "%": _remainder,
    "..": _ranged,
    "in": is_in,
    "contains": _worded("contains", lambda text, part: part in text),
    "startsWith": _worded("startsWith", str.startswith),
    "endsWith": _worded("endsWith", str.endswith),
    "matches": _worded("matches", _matches),
}
