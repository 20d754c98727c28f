"""Whether a body fits the Go types of its kind, in the words of the decoder that a real API server has. Pure."""

import binascii
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from meshsim.api.decode import Object
from meshsim.api.quantities import QuantityError, parse_quantity
from meshsim.apiserver.kinds.messages import fields_of_message, message_name, messages
from meshsim.kit.timestamps import from_rfc3339

_QUANTITY: Final = re.compile(r"([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)")
_QUANTITY_RULE: Final = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
_RANGES: Final = {"int32": 2**31, "int64": 2**63}


class MisfitError(ValueError):
    """A value that its Go type cannot hold; the text is the decoder's."""


def check_types(api_version: str, kind: str, obj: Object) -> None:
    """Raises MisfitError for the first value that doesn't fit. Kinds that aren't Kubernetes' own fit always."""
    name = message_name(api_version, kind)
    if name in messages():
        _check_message(name, obj, "")


def _check_message(name: str, value: Object, path: str) -> None:
    fields, struct = fields_of_message(name), name.partition(".")[2]
    for field, part in value.items():
        described = fields.get(field)
        if described is not None and part is not None:
            _check_field(struct, described, part, f"{path}.{field}" if path else field)


def _check_field(struct: str, described: list[str], value: Any, path: str) -> None:
    kind, flags = described[1], described[2]
    if "m" in flags:
        if not isinstance(value, dict):
            raise _wrong(value, struct, path, f"map[string]{_go_name(kind)}")
        for part in value.values():
            _check_value(struct, kind, part, path)
    elif "r" in flags:
        if not isinstance(value, list):
            raise _wrong(value, struct, path, f"[]{_go_name(kind)}")
        for item in value:
            _check_value(struct, kind, item, path)
    else:
        _check_value(struct, kind, value, path)


def _check_value(struct: str, kind: str, value: Any, path: str) -> None:
    if value is None:
        return
    if "." in kind:
        if not isinstance(value, dict):
            raise _wrong(value, struct, path, _go_name(kind))
        _check_message(kind, value, path)
    elif not _CHECKS[kind](value):
        raise _wrong(value, struct, path, _go_name(kind))


def _wrong(value: object, struct: str, path: str, wanted: str) -> MisfitError:
    return MisfitError(
        f"json: cannot unmarshal {_json_name(value)} into Go struct field {struct}.{path} of type {wanted}"
    )


def _json_name(value: object) -> str:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, float):
        return f"number {value:g}"
    if isinstance(value, int):
        return "number" if abs(value) < 2**31 else f"number {value}"
    return "string" if isinstance(value, str) else "array" if isinstance(value, list) else "object"


def _go_name(kind: str) -> str:
    package, _, name = kind.rpartition(".")
    version = "v2" if package.endswith("v2") else "v1"
    return f"{version}.{name}" if package else _GO_NAMES.get(kind, kind)


def _is_time(value: object) -> bool:
    if not isinstance(value, str):
        return False
    try:
        from_rfc3339(value)
    except ValueError:
        text = f'parsing time "{value}" as "2006-01-02T15:04:05Z07:00": cannot parse "{value}" as "2006"'
        raise MisfitError(text) from None
    return True


def _is_base64(value: object) -> bool:
    if not isinstance(value, str):
        return False
    try:
        binascii.a2b_base64(value, strict_mode=bool(value))
    except binascii.Error:
        raise MisfitError("illegal base64 data") from None
    return True


def _is_quantity(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise MisfitError(_QUANTITY_RULE)
    text = str(value)
    if not _QUANTITY.fullmatch(text):
        raise MisfitError(_QUANTITY_RULE)
    try:
        parse_quantity(text)
    except QuantityError:
        suffix = text.lstrip("+-0123456789.")
        raise MisfitError(
            "unable to parse quantity's suffix" if suffix else "unable to parse numeric part of quantity"
        ) from None
    return True


def _is_integer(kind: str) -> Callable[[object], bool]:
    limit = _RANGES[kind]
    return lambda value: isinstance(value, int) and not isinstance(value, bool) and -limit <= value < limit


_GO_NAMES: Final = {
    "double": "float64",
    "bytes": "[]uint8",
    "time": "v1.Time",
    "micro_time": "v1.MicroTime",
    "int_or_string": "intstr.IntOrString",
    "raw_json": "runtime.RawExtension",
}
_CHECKS: Final[Mapping[str, Callable[[object], bool]]] = {
    "string": lambda value: isinstance(value, str),
    "bool": lambda value: isinstance(value, bool),
    "int32": _is_integer("int32"),
    "int64": _is_integer("int64"),
    "double": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "bytes": _is_base64,
    "time": _is_time,
    "micro_time": _is_time,
    "duration": lambda value: isinstance(value, str),
    "quantity": _is_quantity,
    "int_or_string": lambda value: isinstance(value, int | str) and not isinstance(value, bool),
    "raw_json": lambda _: True,
}
