"""The functions of the language that take values (those that take predicates are in `predicates`)."""

import base64
import binascii
import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import reduce
from itertools import pairwise
from typing import Any, Final

from controller.analysis.conditions.dates import parse_date
from controller.analysis.conditions.errors import ConditionError
from controller.analysis.conditions.operators import apply, are_equal, whole_number
from controller.analysis.conditions.types import (
    ARRAY,
    BOOL,
    DURATION,
    FLOAT,
    INT,
    MAP,
    NUMBERS,
    STRING,
    TIME,
    UNKNOWN,
    Kind,
    Type,
    Value,
    go_name,
    type_of,
)
from meshsim.api.validate.gotext import GoDurationError, float_text, nanoseconds, parse_int, quote

Parameter = frozenset[Kind]

_ANY: Final = frozenset(Kind)
_TEXT: Final = frozenset({Kind.STRING})
_WHOLE: Final = frozenset({Kind.INT})
_NUMBER: Final = frozenset(NUMBERS)
_LIST: Final = frozenset({Kind.ARRAY})
_TABLE: Final = frozenset({Kind.MAP})
_NUMBERS: Final = _NUMBER | _LIST
_MOST_CHARACTERS: Final = 1_000_000
_FLOAT: Final = re.compile(r"[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?|inf|infinity|nan)", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Function:
    """A function: the parameters of each of its forms, what it returns and how it is computed."""

    run: Callable[..., Value]
    forms: tuple[tuple[Parameter, ...], ...]
    returns: Type | Callable[[Sequence[Type]], Type]
    is_variadic: bool = False
    """The last parameter stands for one or more."""

    def check(self, name: str, given: Sequence[Type]) -> Type:
        """What a call with arguments of those types returns. Raises ConditionError when there is no such form."""
        for form in self.forms:
            more = len(given) - len(form)
            parameters = (*form, *form[-1:] * more) if self.is_variadic and more > 0 else form
            if len(parameters) == len(given) and all(map(_accepts, parameters, given)):
                return self.returns(given) if callable(self.returns) else self.returns
        listed = ", ".join(map(str, given))
        raise ConditionError(f"cannot call {name} with ({listed})")

    def call(self, name: str, arguments: Sequence[Value]) -> Value:
        """Call it. Raises ConditionError."""
        self.check(name, [type_of(argument) for argument in arguments])
        return self.run(*arguments)


def _accepts(parameter: Parameter, given: Type) -> bool:
    return given.is_unknown or given.kind in parameter


def as_int(value: Value) -> int:
    """`asInt`: a float's whole part, or a decimal text."""
    if isinstance(value, str):
        number = parse_int(value)
        if number is None:
            raise ConditionError(f"strconv.ParseInt: parsing {quote(value)}: invalid syntax")
        return number
    if type_of(value).kind in NUMBERS:
        return whole_number(value)
    raise ConditionError(f"asInt() not supported on {go_name(value)} {text_of(value)}")


def as_float(value: Value) -> float:
    """`asFloat`: a number, or a text that is one."""
    if isinstance(value, str):
        return _parsed_float(value, f"strconv.ParseFloat: parsing {quote(value)}: invalid syntax")
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    raise ConditionError(f"asFloat() not supported on {go_name(value)} {text_of(value)}")


def only_float(value: Value) -> float:
    """The parameter of `isNaN` and `isInf`: an int that isn't written out is no float."""
    if isinstance(value, float):
        return value
    raise ConditionError(f"interface conversion: interface {{}} is {go_name(value)}, not float64")


def _parsed_float(text: str, complaint: str) -> float:
    if not _FLOAT.fullmatch(text):
        raise ConditionError(complaint)
    return float(text)


def text_of(value: Value) -> str:
    """A value as Go prints it (%v)."""
    match value:
        case None:
            return "<nil>"
        case bool():
            return str(value).lower()
        case float():
            return float_text(value)
        case list() | tuple():
            return "[" + " ".join(map(text_of, value)) + "]"
        case dict():
            return "map[" + " ".join(f"{key}:{text_of(value[key])}" for key in sorted(value)) + "]"
        case _:
            return str(value)


def _length(value: Any) -> int:
    return len(value.encode()) if isinstance(value, str) else len(value)


def _type_name(value: Value) -> str:
    names = {Kind.FLOAT: "float", Kind.ARRAY: "array", Kind.MAP: "map"}
    kind = type_of(value).kind
    return names.get(kind, kind.value)


def _int(value: Value) -> int:
    if isinstance(value, str):
        number = parse_int(value)
        if number is None:
            raise ConditionError(f"invalid operation: int({value})")
        return number
    return whole_number(value)


def _float(value: Any) -> float:
    return _parsed_float(value, f"invalid operation: float({value})") if isinstance(value, str) else float(value)


def _rounded(value: float) -> float:
    if not math.isfinite(value) or abs(value) >= 2**52:
        return float(value)
    return math.copysign(math.floor(abs(value) + 0.5), value)


def _whole_part(towards: Callable[[float], int]) -> Callable[[float], float]:
    return lambda value: float(towards(value)) if math.isfinite(value) else float(value)


def _replaced(text: str, old: str, new: str, most: int = -1) -> str:
    return text.replace(old, new, most)


def _split(text: str, separator: str, most: int = -1) -> list[str]:
    if most == 0:
        return []
    if not separator:
        return list(text)
    return text.split(separator, most - 1 if most > 0 else -1)


def _repeated(text: str, count: int) -> str:
    if count < 0:
        raise ConditionError(f"invalid argument for repeat (expected positive integer, got {count})")
    if count * len(text) > _MOST_CHARACTERS:
        raise ConditionError("memory budget exceeded")
    return text * count


def _joined(items: Iterable[Value], glue: str = "") -> str:
    parts: list[str] = []
    for item in items:
        if not isinstance(item, str):
            raise ConditionError(f"interface conversion: interface {{}} is {go_name(item)}, not string")
        parts.append(item)
    return glue.join(parts)


def _numbers_in(name: str, values: Iterable[Value]) -> Iterator[float]:
    for value in values:
        if isinstance(value, list | tuple):
            yield from _numbers_in(name, value)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            yield value
        else:
            raise ConditionError(f"invalid argument for {name} (type {go_name(value)})")


def _extreme(name: str, is_better: Callable[[float, float], bool]) -> Callable[..., Value]:
    def run(*values: Value) -> Value:
        found: float | None = None
        for number in _numbers_in(name, values):
            if found is None or is_better(number, found):
                found = number
        return found

    return run


def _mean(*values: Value) -> float:
    numbers = list(_numbers_in("mean", values))
    return sum(numbers) / len(numbers) if numbers else 0.0


def _median(*values: Value) -> float:
    numbers = sorted(_numbers_in("median", values))
    half = len(numbers) // 2
    if not numbers:
        return 0.0
    return float(numbers[half] if len(numbers) % 2 else (numbers[half - 1] + numbers[half]) / 2)


def _to_json(value: Value) -> str:
    _refuse_no_json(value)
    return json.dumps(_json_form(value), indent=2, ensure_ascii=False)


def _refuse_no_json(value: Value) -> None:
    if isinstance(value, float) and not math.isfinite(value):
        raise ConditionError(f"json: unsupported value: {float_text(value)}")
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()
    for item in items:
        _refuse_no_json(item)


def _json_form(value: Value) -> Value:
    """Whole floats are written without a fraction, keys in their order."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list | tuple):
        return [_json_form(item) for item in value]
    if isinstance(value, dict):
        return {key: _json_form(value[key]) for key in sorted(value)}
    return value if isinstance(value, int | float | str | None) else str(value)


def _from_json(text: str) -> Value:
    try:
        value: Value = json.loads(text, parse_int=float)
    except (ValueError, RecursionError) as error:
        raise ConditionError(f"invalid JSON: {error}") from None
    return value


def _from_base64(text: str) -> str:
    try:
        return base64.b64decode(text, validate=True).decode(errors="replace")
    except binascii.Error as error:
        raise ConditionError(f"illegal base64 data: {error}") from None


def _duration(text: str) -> timedelta:
    try:
        return timedelta(microseconds=nanoseconds(text) / 1000)
    except GoDurationError as error:
        raise ConditionError(str(error)) from None


def _got(container: Any, key: Value) -> Value:
    """An item, or nil where there is none."""
    if isinstance(container, dict):
        return container.get(key) if isinstance(key, str) else None
    at = whole_number(key)
    return container[at] if -len(container) <= at < len(container) else None


def _unique(items: Iterable[Value]) -> list[Value]:
    found: list[Value] = []
    for item in items:
        if not any(are_equal(item, known) for known in found):
            found.append(item)
    return found


def _flat(items: Iterable[Value]) -> list[Value]:
    return reduce(lambda flat, item: flat + (_flat(item) if isinstance(item, list | tuple) else [item]), items, [])


def sorted_values(values: Sequence[Value], keys: Sequence[Value], order: str = "asc") -> list[Value]:
    """The values in the order of their keys. Raises ConditionError when the keys have none among them."""
    if order not in ("asc", "desc"):
        raise ConditionError(f"invalid order {quote(order)}: use asc or desc")
    for one, next_one in pairwise(keys):
        apply("<", one, next_one)
    paired = sorted(zip(keys, values, strict=True), key=lambda pair: pair[0], reverse=order == "desc")  # type: ignore[arg-type,return-value] # they have an order
    return [value for _, value in paired]


def _sorted(values: Sequence[Value], order: str = "asc") -> list[Value]:
    return sorted_values(values, values, order)


def _pairs(table: dict[str, Value]) -> list[Value]:
    return [[key, table[key]] for key in sorted(table)]


def _from_pairs(pairs: Iterable[Value]) -> dict[str, Value]:
    table: dict[str, Value] = {}
    for pair in pairs:
        if not isinstance(pair, list) or len(pair) != 2 or not isinstance(pair[0], str):
            raise ConditionError("invalid pair: it is an array of a key and a value")
        table[pair[0]] = pair[1]
    return table


def _first_type(given: Sequence[Type]) -> Type:
    return given[0]


def _item_type(given: Sequence[Type]) -> Type:
    return given[0].item


def _number_type(given: Sequence[Type]) -> Type:
    is_plain = all(one.kind in NUMBERS for one in given)
    return given[0] if is_plain else UNKNOWN


_ROUNDING: Final = ((_NUMBER,),)
_ONE_TEXT: Final = ((_TEXT,),)
_TWO_TEXTS: Final = ((_TEXT, _TEXT),)
_ANYTHING: Final = ((_ANY,),)

FUNCTIONS: Final[dict[str, Function]] = {
    "asInt": Function(as_int, _ANYTHING, INT),
    "asFloat": Function(as_float, _ANYTHING, FLOAT),
    "isNaN": Function(lambda value: math.isnan(only_float(value)), _ROUNDING, BOOL),
    "isInf": Function(lambda value: math.isinf(only_float(value)), _ROUNDING, BOOL),
    "len": Function(_length, ((_LIST | _TABLE | _TEXT,),), INT),
    "type": Function(_type_name, _ANYTHING, STRING),
    "abs": Function(abs, ((_NUMBER,),), _first_type),
    "ceil": Function(_whole_part(math.ceil), _ROUNDING, FLOAT),
    "floor": Function(_whole_part(math.floor), _ROUNDING, FLOAT),
    "round": Function(_rounded, _ROUNDING, FLOAT),
    "int": Function(_int, ((_NUMBER | _TEXT,),), INT),
    "float": Function(_float, ((_NUMBER | _TEXT,),), FLOAT),
    "string": Function(text_of, _ANYTHING, STRING),
    "trim": Function(lambda text, cut=None: text.strip(cut), (*_ONE_TEXT, *_TWO_TEXTS), STRING),
    "trimPrefix": Function(lambda text, cut=" ": text.removeprefix(cut), (*_ONE_TEXT, *_TWO_TEXTS), STRING),
    "trimSuffix": Function(lambda text, cut=" ": text.removesuffix(cut), (*_ONE_TEXT, *_TWO_TEXTS), STRING),
    "upper": Function(str.upper, _ONE_TEXT, STRING),
    "lower": Function(str.lower, _ONE_TEXT, STRING),
    "split": Function(_split, (*_TWO_TEXTS, (_TEXT, _TEXT, _WHOLE)), Type(Kind.ARRAY, STRING)),
    "replace": Function(_replaced, ((_TEXT, _TEXT, _TEXT), (_TEXT, _TEXT, _TEXT, _WHOLE)), STRING),
    "repeat": Function(_repeated, ((_TEXT, _WHOLE),), STRING),
    "join": Function(_joined, ((_LIST,), (_LIST, _TEXT)), STRING),
    "indexOf": Function(str.find, _TWO_TEXTS, INT),
    "lastIndexOf": Function(str.rfind, _TWO_TEXTS, INT),
    "hasPrefix": Function(str.startswith, _TWO_TEXTS, BOOL),
    "hasSuffix": Function(str.endswith, _TWO_TEXTS, BOOL),
    "max": Function(_extreme("max", lambda one, best: one > best), ((_NUMBERS,),), _number_type, is_variadic=True),
    "min": Function(_extreme("min", lambda one, best: one < best), ((_NUMBERS,),), _number_type, is_variadic=True),
    "mean": Function(_mean, ((_NUMBERS,),), UNKNOWN, is_variadic=True),
    "median": Function(_median, ((_NUMBERS,),), UNKNOWN, is_variadic=True),
    "toJSON": Function(_to_json, _ANYTHING, STRING),
    "fromJSON": Function(_from_json, _ONE_TEXT, UNKNOWN),
    "toBase64": Function(lambda text: base64.b64encode(text.encode()).decode(), _ONE_TEXT, STRING),
    "fromBase64": Function(_from_base64, _ONE_TEXT, STRING),
    "duration": Function(_duration, _ONE_TEXT, DURATION),
    "date": Function(parse_date, (*_ONE_TEXT, *_TWO_TEXTS, (_TEXT, _TEXT, _TEXT)), TIME),
    "first": Function(lambda items: _got(items, 0), ((_LIST,),), _item_type),
    "last": Function(lambda items: _got(items, -1), ((_LIST,),), _item_type),
    "get": Function(_got, ((_LIST, _WHOLE), (_TABLE, _TEXT)), _item_type),
    "take": Function(lambda items, count: items[: max(count, 0)], ((_LIST, _WHOLE),), _first_type),
    "keys": Function(sorted, ((_TABLE,),), ARRAY),
    "values": Function(lambda table: [table[key] for key in sorted(table)], ((_TABLE,),), ARRAY),
    "toPairs": Function(_pairs, ((_TABLE,),), ARRAY),
    "fromPairs": Function(_from_pairs, ((_LIST,),), MAP),
    "reverse": Function(lambda items: list(reversed(items)), ((_LIST,),), ARRAY),
    "uniq": Function(_unique, ((_LIST,),), ARRAY),
    "concat": Function(lambda *lists: [item for one in lists for item in one], ((_LIST,),), ARRAY, is_variadic=True),
    "flatten": Function(_flat, ((_LIST,),), ARRAY),
    "sort": Function(_sorted, ((_LIST,), (_LIST, _TEXT)), ARRAY),
}
"""By name. `isNil`, `default` and `now` depend on more than their arguments: `compiler` has them."""
