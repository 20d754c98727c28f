"""Reading what clients send: JSON, YAML or Kubernetes' protobuf, within bounds."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from aiohttp import web

from meshsim.api.decode import Object, read_documents, read_json
from meshsim.api.validate.findings import join
from meshsim.apiserver import refusals
from meshsim.apiserver.requests.protobuf import MEDIA_TYPE as PROTOBUF
from meshsim.apiserver.requests.protobuf import read_protobuf
from meshsim.client.api import PatchType
from meshsim.kit.errors import InvalidManifestError

MAX_BODY_BYTES: Final = 3 * 1024 * 1024
"""What a real API server reads of one request."""
_MAX_YAML_BYTES: Final = 256 * 1024
"""YAML takes far longer to read; clients turn manifests into JSON before they send them."""
_MAX_DEPTH: Final = 100
_LONG_NUMBER: Final = re.compile(rb"[0-9a-fA-F_]{16}")
"""A whole number of more than 64 bits is no shorter, in whichever base."""
_UNNAMED: Final = "application/octet-stream"
"""What aiohttp makes of a request that doesn't say."""
_JSON: Final = frozenset({"application/json", _UNNAMED, *PatchType} - {PatchType.APPLY})
_YAML: Final = frozenset({"application/yaml", PatchType.APPLY})
_READ: Final = _JSON | _YAML | {PROTOBUF}


async def read_body(request: web.Request, *, strictly: bool = False) -> Any:
    """The body of a request as a JSON value.

    Strictly, a field that an object has twice is an error. Raises ApiError for a body in another form, one that
    cannot be read and one that is nested too deeply. A web page can only make a browser send the forms that are
    not read here.
    """
    content_type = request.content_type
    if content_type not in _READ:
        raise refusals.unsupported_media_type(
            "the body of the request was in an unknown format - accepted media types include: "
            f"application/json, application/yaml, {PROTOBUF}"
        )
    data = await _received(request)
    try:
        body = _read(data, content_type)
        twice = _fields_twice(data) if strictly and content_type in _JSON else []
    except UnicodeDecodeError:
        raise refusals.bad_request("the body of the request is not UTF-8") from None
    except RecursionError:
        raise refusals.bad_request("the body of the request is nested too deeply") from None
    except InvalidManifestError as error:
        raise refusals.bad_request(f"the body of the request cannot be read: {error}") from None
    if data.count(b"{") + data.count(b"[") > _MAX_DEPTH and _is_deeper(body, _MAX_DEPTH):
        raise refusals.bad_request(f"the body of the request is nested more than {_MAX_DEPTH} deep")
    if _LONG_NUMBER.search(data) and _is_beyond_64_bits(body):
        raise refusals.bad_request("the body of the request has a whole number that 64 bits do not hold")
    if twice:
        raise refusals.bad_request("strict decoding error: " + ", ".join(f'duplicate field "{name}"' for name in twice))
    return body


async def _received(request: web.Request) -> bytes:
    # What is packed is small only until it is unpacked.
    encoding = request.headers.get("Content-Encoding", "identity")
    if encoding.lower() not in ("", "identity"):
        raise refusals.unsupported_media_type(f"the body of the request is encoded ({encoding}): send it as it is")
    try:
        return await request.read()
    except web.RequestPayloadError:
        raise refusals.bad_request("the body of the request breaks off or is not framed as HTTP asks") from None


def _read(data: bytes, content_type: str) -> Any:
    if content_type == PROTOBUF:
        return read_protobuf(data)
    if content_type in _YAML and not data.lstrip().startswith(b"{"):
        if len(data) > _MAX_YAML_BYTES:
            raise refusals.too_large(f"Request entity too large: limit of YAML is {_MAX_YAML_BYTES}")
        document = next(read_documents(data.decode(), "body"), None)
        return document.value if document is not None else None
    return read_json(data)


def _fields_twice(data: bytes) -> list[str]:
    """The paths of the fields that an object has more than once."""
    repeated: dict[int, tuple[Object, list[str]]] = {}

    def check(pairs: list[tuple[str, Any]]) -> Object:
        obj: Object = {}
        for name, value in pairs:
            if name in obj:
                repeated.setdefault(id(obj), (obj, []))[1].append(name)
            obj[name] = value
        return obj

    tree = json.loads(data, object_pairs_hook=check)
    return list(dict.fromkeys(_paths_of(repeated, tree, ""))) if repeated else []


def _paths_of(repeated: Mapping[int, tuple[Object, list[str]]], value: object, path: str) -> Iterator[str]:
    if isinstance(value, dict):
        for name in repeated.get(id(value), (value, []))[1]:
            yield join(path, name)
        for name, part in value.items():
            yield from _paths_of(repeated, part, join(path, name))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _paths_of(repeated, item, f"{path}[{index}]")


def _is_beyond_64_bits(value: object) -> bool:
    if isinstance(value, dict):
        return any(map(_is_beyond_64_bits, value.values()))
    if isinstance(value, list):
        return any(map(_is_beyond_64_bits, value))
    return isinstance(value, int) and not -(2**63) <= value < 2**63


def _is_deeper(value: object, depth: int) -> bool:
    if not isinstance(value, dict | list):
        return False
    parts = value.values() if isinstance(value, dict) else value
    return depth == 0 or any(_is_deeper(part, depth - 1) for part in parts)
