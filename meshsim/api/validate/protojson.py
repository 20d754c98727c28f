"""JSON into Istio's messages, as its webhook decodes a spec before it judges it.

Decoding forgives what a strict API server would not: unknown fields, snake_case names, numbers in quotes, several
members of a oneof (the last one declared wins). What it can't read is an error in the words of Go's JSON decoder.
"""

import base64
import binascii
import json
import math
import re
from collections.abc import Mapping
from typing import Any, Final

from meshsim.api.decode import Object
from meshsim.api.validate.gotext import GoDurationError, nanoseconds, quote

_DURATIONS: Final = frozenset({"ttl", "idleTimeout", "budgetInterval"})
"""Fields that are durations although their schema doesn't say so, because 0 is allowed."""

_ONE_OF: Final = (
    ("exact", "prefix", "regex"),
    ("httpStatus", "grpcStatus", "http2Error"),
    ("fixedDelay", "exponentialDelay"),
    ("port", "derivePort"),
    ("string", "bytes"),
    ("simple", "consistentHash"),
    ("httpHeaderName", "httpCookie", "useSourceIp", "httpQueryParameterName"),
    ("ringHash", "maglev"),
)
"""The oneofs of Istio's messages, members in the order of their declaration."""

_ENUMS: Final = {
    "unmatchedPreflights": "CorsPolicy.UnmatchedPreflights",
    "derivePort": "HTTPRedirect.RedirectPortSelection",
    "h2UpgradePolicy": "ConnectionPoolSettings.HTTPSettings.H2UpgradePolicy",
    "simple": "LoadBalancerSettings.SimpleLB",
    "version": "TrafficPolicy.ProxyProtocol.VERSION",
    "minProtocolVersion": "ServerTLSSettings.TLSProtocol",
    "maxProtocolVersion": "ServerTLSSettings.TLSProtocol",
    "location": "ServiceEntry.Location",
    "resolution": "ServiceEntry.Resolution",
    "captureMode": "CaptureMode",
}
_MODES: Final = {
    "DISABLE": "ClientTLSSettings.TLSmode",
    "PASSTHROUGH": "ServerTLSSettings.TLSmode",
    "REGISTRY_ONLY": "OutboundTrafficPolicy.Mode",
}
"""`mode` is three enums, told apart by a value that only one of them has."""


class MessageError(ValueError):
    """The JSON is no such message; `path` is the field's."""

    def __init__(self, path: str, message: str) -> None:
        super().__init__(message)
        self.path = path
        self.message = message


def read_message(schema: Object, value: object, path: str) -> Object:
    """The message as JSON again: names in camelCase, numbers as numbers, nulls and unknown fields gone.

    `schema` is the CRD's. Raises MessageError for the first field that can't be read.
    """
    if value is None:
        return {}
    properties: Object = schema.get("properties") or {}
    if not isinstance(value, Mapping):
        raise MessageError(path, _cannot(value, "map[string]json.RawMessage"))
    found: Object = {}
    for name, field in properties.items():
        given = value.get(name, value.get(_snake(name)))
        if given is not None and not (name != _camel(name) and _camel(name) in properties):
            found[name] = _read_field(name, field, given, f"{path}.{name}")
    for members in _ONE_OF:
        if members[0] in properties and members[1] in properties:
            for loser in [name for name in members if name in found][:-1]:
                del found[loser]
    return found


def _snake(name: str) -> str:
    return re.sub("[A-Z]", lambda upper: f"_{upper[0].lower()}", name)


def _camel(name: str) -> str:
    return re.sub("_([a-z])", lambda lower: lower[1].upper(), name)


def _read_field(name: str, schema: Object, value: object, path: str) -> Any:
    if schema.get("type") == "array":
        if not isinstance(value, list):
            raise MessageError(path, _cannot(value, "[]json.RawMessage"))
        return [_read_item(name, schema["items"], item, f"{path}[{index}]") for index, item in enumerate(value)]
    if "additionalProperties" in schema:
        if not isinstance(value, Mapping):
            raise MessageError(path, _cannot(value, "map[string]json.RawMessage"))
        items = schema["additionalProperties"]
        return {str(key): _read_item(name, items, item, f"{path}.{key}") for key, item in value.items()}
    return _read_item(name, schema, value, path)


_ZERO: Final[dict[str, Any]] = {"string": "", "integer": 0, "number": 0.0, "boolean": False}


def _read_item(name: str, schema: Object, value: object, path: str) -> Any:
    kind = schema.get("type")
    if kind == "object":
        return read_message(schema, value, path) if "properties" in schema else value
    if value is None:
        return _ZERO.get(str(kind))
    if _is_duration(name, schema):
        return _read_duration(value, path)
    if "enum" in schema:
        return _read_enum(name, schema["enum"], value, path)
    return _read_scalar(schema, value, path)


def _read_scalar(schema: Object, value: object, path: str) -> Any:
    match schema.get("type"):
        case "string":
            return _read_bytes(value, path) if schema.get("format") == "byte" else _read_string(value, path)
        case "integer":
            return _read_integer(schema, value, path)
        case "number":
            return _read_number(value, path)
        case "boolean" if not isinstance(value, bool):
            raise MessageError(path, _cannot(value, "bool"))
        case _:
            return value


def _is_duration(name: str, schema: Object) -> bool:
    rules = schema.get("x-kubernetes-validations") or ()
    return schema.get("type") == "string" and (name in _DURATIONS or any("duration(" in rule["rule"] for rule in rules))


def _read_string(value: object, path: str) -> str:
    if not isinstance(value, str):
        raise MessageError(path, _cannot(value, "string"))
    return value


def _read_duration(value: object, path: str) -> str:
    text = _read_string(value, path)
    try:
        nanoseconds(text)
    except GoDurationError as error:
        raise MessageError(path, f"bad Duration: {error}") from None
    return text


def _read_enum(name: str, values: list[str], value: object, path: str) -> str:
    if isinstance(value, str):
        if value in values:
            return value
        enum = _ENUMS.get(name) or next((_MODES[mode] for mode in values if mode in _MODES), name)
        raise MessageError(path, f"unknown value {quote(_as_json(value))} for enum istio.networking.v1alpha3.{enum}")
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) >= 2**31:
        raise MessageError(path, _cannot(value, "protoreflect.EnumNumber", with_number=True))
    return values[value] if 0 <= value < len(values) else str(value)


def _read_bytes(value: object, path: str) -> str:
    text = _read_string(value, path)
    try:
        base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        bad = re.search("[^A-Za-z0-9+/]", text.rstrip("="))
        raise MessageError(path, f"illegal base64 data at input byte {bad.start() if bad else len(text)}") from None
    return text


def _read_integer(schema: Object, value: object, path: str) -> int:
    lowest, highest, go_type = 0, 2**32 - 1, "uint32"
    if schema.get("format") == "int32":
        lowest, highest, go_type = -(2**31), 2**31 - 1, "int32"
    elif "maximum" not in schema:
        highest, go_type = 2**64 - 1, "uint64"
    number = _unquoted(value, path)
    if isinstance(number, bool) or not isinstance(number, int) or not lowest <= number <= highest:
        raise MessageError(path, _cannot(number, go_type, with_number=True))
    return number


def _read_number(value: object, path: str) -> float:
    if value in ("NaN", "Infinity", "-Infinity"):
        return float(str(value).replace("Infinity", "inf"))
    number = _unquoted(value, path)
    if isinstance(number, bool) or not isinstance(number, int | float):
        raise MessageError(path, _cannot(number, "float64"))
    try:
        return float(number)
    except OverflowError:
        raise MessageError(path, _cannot(number, "float64", with_number=True)) from None


def _unquoted(value: object, path: str) -> object:
    """A number may stand in quotes; then what they enclose is read as JSON."""
    if not isinstance(value, str):
        return value
    if not value.strip():
        raise MessageError(path, "unexpected end of JSON input")
    try:
        return json.loads(value, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        first = value.strip()[0]
        raise MessageError(path, f"invalid character {_go_char(first)} looking for beginning of value") from None


def _no_constant(name: str) -> float:
    raise ValueError(name)


def _go_char(char: str) -> str:
    return {"'": r"'\''", '"': "'\"'"}.get(char) or f"'{quote(char)[1:-1]}'"


def _cannot(value: object, go_type: str, *, with_number: bool = False) -> str:
    return f"json: cannot unmarshal {_json_kind(value, with_number)} into Go value of type {go_type}"


def _json_kind(value: object, with_number: bool) -> str:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int | float):
        return f"number {_as_json(value)}" if with_number else "number"
    if isinstance(value, str):
        return "string"
    return "array" if isinstance(value, list) else "object"


def _as_json(value: object) -> str:
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return json.dumps(value, ensure_ascii=False)
