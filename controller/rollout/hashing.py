"""The hashes that name versions: of a pod template and of a canary's steps, equal to Argo's bit for bit.

Argo hashes the JSON that Go writes. Go writes the fields of a type in their own order, leaves out some when they
are empty, and knows no others; which ones is a table beside this module.
"""

import json
from collections.abc import Mapping
from functools import cache
from typing import Any, Final

from controller.rollout.pod_schema import FIELDS
from meshsim.api.decode import Object
from meshsim.api.quantities import canonical_quantity

_ALPHABET: Final = "bcdfghjklmnpqrstvwxz2456789"
_FNV_OFFSET: Final = 0x811C9DC5
_FNV_PRIME: Final = 0x01000193
_ESCAPES: Final = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}
_ZERO: Final[Mapping[str, object]] = {"string": "", "bool": False, "int32": 0, "int64": 0}

Fields = tuple[tuple[str, str, bool], ...]
"""Name, type and whether it is left out when empty, in Go's order."""


def pod_template_hash(template: Object, collision_count: int | None = None) -> str:
    """The `rollouts-pod-template-hash` of a pod template. Defaults are not filled in before."""
    data = go_json(template, "PodTemplateSpec").encode()
    if collision_count is not None:
        data += collision_count.to_bytes(4, "little") + bytes(4)
    return _readable(_fnv1a(data))


def step_hash(steps: list[Object] | None) -> str:
    """The hash of a canary's steps; a canary without steps has one too."""
    return _readable(_fnv1a(go_json(steps or None, "[]CanaryStep").encode()))


def go_json(value: object, type_name: str) -> str:
    """The JSON that Go's encoder writes for a value of that type."""
    text = json.dumps(_encoded(value, type_name), ensure_ascii=False, separators=(",", ":"))
    for character, escape in _ESCAPES.items():
        text = text.replace(character, escape)
    return text


def _fnv1a(data: bytes) -> int:
    state = _FNV_OFFSET
    for byte in data:
        state = (state ^ byte) * _FNV_PRIME & 0xFFFFFFFF
    return state


def _readable(number: int) -> str:
    """Letters and digits that cannot spell a word."""
    return "".join(_ALPHABET[ord(digit) % len(_ALPHABET)] for digit in str(number))


@cache
def _schema() -> dict[str, Fields]:
    return {name: tuple(_field(text) for text in fields.split(", ")) for name, fields in FIELDS.items()}


def _field(text: str) -> tuple[str, str, bool]:
    name, _, type_name = text.partition(" ")
    return name.removesuffix("?"), type_name, name.endswith("?")


def _encoded(value: object, type_name: str) -> object:
    kind = type_name.removeprefix("*")
    if value is None:
        return None
    if kind.startswith("[]") and isinstance(value, list):
        return [_item(item, kind.removeprefix("[]")) for item in value]
    if kind.startswith("map[string]") and isinstance(value, dict):
        return {key: _item(value[key], kind.removeprefix("map[string]")) for key in sorted(value)}
    if kind == "Quantity":
        return canonical_quantity(str(value))
    if kind in _schema() and isinstance(value, dict):
        return _struct(value, kind)
    return value


def _item(value: object, kind: str) -> object:
    """A null in a list or a map is the zero value of what it holds."""
    if value is not None or kind.startswith(("*", "[]", "map[")):
        return _encoded(value, kind)
    return _encoded(_zero(kind), kind)


def _zero(kind: str) -> object:
    if kind == "Quantity":
        return "0"
    return {} if kind in _schema() else _ZERO.get(kind)


def _struct(value: dict[str, Any], kind: str) -> dict[str, object]:
    written: dict[str, object] = {}
    for name, type_name, omits_empty in _schema()[kind]:
        given = value.get(name)
        if given is None and not type_name.startswith(("*", "[]", "map[")):
            given = _zero(type_name)
        if not (omits_empty and _is_empty(given, type_name)):
            written[name] = _encoded(given, type_name)
    return written


def _is_empty(value: object, type_name: str) -> bool:
    """What Go's omitempty leaves out: a struct never, a pointer only when it points nowhere."""
    if value is None:
        return True
    if type_name.startswith("*") or type_name in _schema():
        return False
    return value in ("", 0, False) or value in ([], {})
