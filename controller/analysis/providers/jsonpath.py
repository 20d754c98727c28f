"""Kubernetes' JSONPath, as far as templates use it: `{$.data.items[0].name}`, `{..name}`, `{.a[?(@.ok==true)].n}`.

A part of one: fields, indexes, slices, wildcards, recursive descent, unions of indexes, and filters that compare.
"""

import json
import re
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, Final

_TOKEN: Final = re.compile(
    r"""(?P<deep>\.\.)(?P<deep_name>[\w\-*]+)?
      | \.(?P<name>[\w\-*]+|\\.)
      | \[\s*'(?P<quoted>(?:[^'\\]|\\.)*)'\s*\]
      | \[\s*"(?P<double>(?:[^"\\]|\\.)*)"\s*\]
      | \[\?\((?P<filter>.*?)\)\]
      | \[(?P<index>[^\]]*)\]
    """,
    re.VERBOSE,
)
_FILTER: Final = re.compile(r"\s*@(?P<left>[^\s=<>!]*)\s*(?:(?P<op>==|!=|<=|>=|<|>)\s*(?P<right>.+?)\s*)?")
_SLICE: Final = re.compile(r"(-?\d{1,9})?:(-?\d{1,9})?(?::(\d{1,9}))?")
_MOST_PLACES: Final = 300_000
"""A few dots more would lead to each place a thousand times."""


class JsonPathError(Exception):
    """The path can't be read or leads nowhere."""


def find_first(document: Any, template: str) -> Any:
    """The first thing that the path in a template `{…}` leads to. Raises JsonPathError."""
    braced = re.fullmatch(r"[^{]*\{(.*)\}[^}]*", template.strip(), re.DOTALL)
    if braced is None:
        raise JsonPathError(f"unclosed action in {template!r}: a path stands in braces")
    for found in _follow([document], braced[1].strip().removeprefix("$")):
        return found
    raise JsonPathError(f"{template} is not found")


def _follow(values: Sequence[Any], path: str) -> list[Any]:
    if path and path[0] not in ".[":
        path = f".{path}"
    at, left = 0, _MOST_PLACES
    while at < len(path):
        token = _TOKEN.match(path, at)
        if token is None:
            if path[at:] == ".":
                break
            raise JsonPathError(f"unrecognized character in path: {path[at:]!r}")
        values = list(islice((found for value in values for found in _step(value, token)), left))
        left -= len(values)
        if left == 0:
            raise JsonPathError(f"the path leads over more than {_MOST_PLACES} places")
        at = token.end()
    return list(values)


def _step(value: Any, token: re.Match[str]) -> Iterator[Any]:
    if token["deep"]:
        name = token["deep_name"]
        for inner in _descendants(value):
            yield from _named(inner, name, must_exist=False) if name else [inner]
    elif token["filter"] is not None:
        yield from (item for item in _items(value) if _holds(item, token["filter"]))
    elif token["index"] is not None:
        for part in token["index"].split(","):
            yield from _indexed(value, part.strip())
    else:
        name = token["name"] or token["quoted"] or token["double"] or ""
        yield from _named(value, re.sub(r"\\(.)", r"\1", name), must_exist=True)


def _named(value: Any, name: str, *, must_exist: bool) -> Iterator[Any]:
    if name == "*":
        yield from _items(value)
    elif isinstance(value, dict) and name in value:
        yield value[name]
    elif must_exist:
        raise JsonPathError(f"{name} is not found")


def _indexed(value: Any, index: str) -> Iterator[Any]:
    if index == "*":
        yield from _items(value)
        return
    if not isinstance(value, list):
        raise JsonPathError(f"{'object' if isinstance(value, dict) else type(value).__name__} is not array or slice")
    bounds = _SLICE.fullmatch(index)
    if bounds:
        low, high, step = (int(bound) if bound else None for bound in bounds.groups())
        yield from value[low : high : step or 1]
        return
    try:
        yield value[int(index)]
    except ValueError:
        raise JsonPathError(f"invalid array index {index}") from None
    except IndexError:
        raise JsonPathError(f"array index out of bounds: index {index}, length {len(value)}") from None


def _items(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


def _descendants(value: Any) -> Iterator[Any]:
    yield value
    for item in _items(value):
        yield from _descendants(item)


def _holds(item: Any, condition: str) -> bool:
    parsed = _FILTER.fullmatch(condition)
    if parsed is None:
        raise JsonPathError(f"unrecognized filter {condition!r}")
    try:
        left = next(iter(_follow([item], parsed["left"])), None)
    except JsonPathError:
        return False
    if parsed["op"] is None:
        return left is not None
    return _compared(left, parsed["op"], _constant(parsed["right"]))


def _constant(text: str) -> Any:
    try:
        return json.loads(text if not text.startswith("'") else json.dumps(text[1:-1]))
    except ValueError:
        raise JsonPathError(f"cannot parse {text!r} in a filter") from None


def _compared(left: Any, operator: str, right: Any) -> bool:
    if operator in ("==", "!="):
        return bool(left == right) == (operator == "==")
    if type(left) not in (int, float, str) or isinstance(left, str) != isinstance(right, str):
        return False
    return bool({"<": left < right, ">": left > right, "<=": left <= right, ">=": left >= right}[operator])
