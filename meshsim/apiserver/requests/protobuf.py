"""Bodies in Kubernetes' protobuf: what Go's typed clients send for Kubernetes' own kinds. Pure, and only for reading.

A table (made by tools/protobuf_fields.py from the Go types) says what each field of each message is. Values that
JSON would leave out are left out: zero values, unless the Go field is a pointer.
"""

import binascii
import struct
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from meshsim.api.decode import FieldError, Object, read_json
from meshsim.apiserver.kinds.messages import Message, message_name, messages
from meshsim.kit.timestamps import to_rfc3339, to_rfc3339_micro

MEDIA_TYPE: Final = "application/vnd.kubernetes.protobuf"
_MAGIC: Final = b"k8s\x00"

Field = tuple[int, int | bytes]
"""A field's number and its value: a number, or the bytes of everything else."""


def read_protobuf(data: bytes) -> Object:
    """The object of a body. Raises FieldError for bytes that are no such body or hold a kind that isn't known."""
    if not data.startswith(_MAGIC):
        raise FieldError("", "the body is not Kubernetes' protobuf")
    try:
        envelope = dict(_fields(data[len(_MAGIC) :]))
        type_meta = dict(_fields(_bytes(envelope.get(1, b""))))
        api_version, kind = _text(type_meta.get(1, b"")), _text(type_meta.get(2, b""))
        message = messages().get(message_name(api_version, kind))
        if message is None:
            raise FieldError("", f"{kind} in version {api_version} cannot be read from protobuf")
        return {"apiVersion": api_version, "kind": kind, **_read_message(message, _bytes(envelope.get(2, b"")))}
    except (IndexError, ValueError, TypeError, struct.error, OverflowError) as error:
        raise FieldError("", f"the protobuf is malformed: {error}") from None


def _fields(data: bytes) -> Iterator[Field]:
    """The fields of a message as they stand in it. Raises IndexError or ValueError where it is cut off."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        match key & 7:
            case 0:
                value, at = _varint(data, at)
                yield key >> 3, value
            case 1:
                yield key >> 3, _slice(data, at, 8)
                at += 8
            case 2:
                size, at = _varint(data, at)
                yield key >> 3, _slice(data, at, size)
                at += size
            case 5:
                yield key >> 3, _slice(data, at, 4)
                at += 4
            case wire_type:
                raise ValueError(f"wire type {wire_type} is unknown")


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
        if shift > 63:
            raise ValueError("a number is longer than 64 bits")


def _slice(data: bytes, at: int, size: int) -> bytes:
    if at + size > len(data):
        raise ValueError("it is cut off")
    return data[at : at + size]


def _read_message(message: Message, data: bytes) -> Object:
    obj: Object = {}
    for number, raw in _fields(data):
        described = message.get(str(number))
        if described is None:
            continue
        name, kind, flags = described[:3]
        if "m" in flags:
            entry = dict(_fields(_bytes(raw)))
            obj.setdefault(name, {})[_text(entry.get(1, b""))] = _value(kind, entry.get(2, _zero(kind)))
            continue
        value = _value(kind, raw)
        if "i" in flags:
            obj.update(value)
        elif "r" in flags:
            obj.setdefault(name, []).append(value)
        elif "p" in flags or value not in ("", 0, False, None):
            obj[name] = value
    return obj


def _zero(kind: str) -> int | bytes:
    return 0 if kind in ("int32", "int64", "bool") else b""


def _value(kind: str, raw: int | bytes) -> Any:
    if "." in kind:
        return _read_message(messages()[kind], _bytes(raw))
    read = _SCALARS.get(kind)
    return read(raw) if read is not None else _special(kind, dict(_fields(_bytes(raw))))


def _special(kind: str, fields: dict[int, int | bytes]) -> Any:
    """The types that JSON writes in a way of their own."""
    match kind:
        case "time" | "micro_time":
            seconds, nanos = _signed(fields.get(1, 0)), _signed(fields.get(2, 0))
            if not fields or seconds < 0:
                return None
            return to_rfc3339(seconds) if kind == "time" else to_rfc3339_micro(seconds + nanos / 1e9)
        case "int_or_string":
            return _text(fields.get(3, b"")) if fields.get(1) == 1 else _signed(fields.get(2, 0))
        case "quantity":
            return _text(fields.get(1, b""))
        case "raw_json":
            return read_json(_bytes(fields.get(1, b"null")))
        case _:
            return _signed(fields.get(1, 0))


def _signed(raw: int | bytes) -> int:
    if not isinstance(raw, int):
        raise TypeError("a number was expected")
    return raw - (1 << 64) if raw >= 1 << 63 else raw


def _bytes(raw: int | bytes) -> bytes:
    if not isinstance(raw, bytes):
        raise TypeError("bytes were expected")
    return raw


def _text(raw: int | bytes) -> str:
    return _bytes(raw).decode()


def _base64(raw: int | bytes) -> str:
    return binascii.b2a_base64(_bytes(raw), newline=False).decode()


def _double(raw: int | bytes) -> float:
    value: float = struct.unpack("<d", _bytes(raw))[0]
    return value


_SCALARS: Final[Mapping[str, Callable[[int | bytes], Any]]] = {
    "string": _text,
    "int32": _signed,
    "int64": _signed,
    "bool": bool,
    "double": _double,
    "bytes": _base64,
}
