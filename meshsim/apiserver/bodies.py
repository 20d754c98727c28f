"""Reading what clients send: JSON, YAML or Kubernetes' protobuf, within bounds."""

import json
from typing import Any, Final

from aiohttp import web

from meshsim.api.decode import read_documents, read_json
from meshsim.apiserver import refusals
from meshsim.apiserver.protobuf import MEDIA_TYPE as PROTOBUF
from meshsim.apiserver.protobuf import read_protobuf
from meshsim.client.api import PatchType
from meshsim.kit.errors import InvalidManifestError

MAX_BODY_BYTES: Final = 3 * 1024 * 1024
"""What a real API server reads of one request."""
_MAX_YAML_BYTES: Final = 256 * 1024
"""YAML takes far longer to read; clients turn manifests into JSON before they send them."""
_MAX_DEPTH: Final = 100
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
    twice: dict[str, None] = {}

    def check(pairs: list[tuple[str, Any]]) -> None:
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                twice[name] = None
            seen.add(name)

    json.loads(data, object_pairs_hook=check)
    return list(twice)


def _is_deeper(value: object, depth: int) -> bool:
    if not isinstance(value, dict | list):
        return False
    parts = value.values() if isinstance(value, dict) else value
    return depth == 0 or any(_is_deeper(part, depth - 1) for part in parts)
