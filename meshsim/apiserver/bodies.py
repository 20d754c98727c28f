"""Reading what clients send: JSON, YAML or Kubernetes' protobuf, within bounds."""

from typing import Any, Final

from aiohttp import web

from meshsim.api.decode import read_documents, read_json
from meshsim.apiserver import refusals
from meshsim.apiserver.protobuf import MEDIA_TYPE as PROTOBUF
from meshsim.apiserver.protobuf import read_protobuf
from meshsim.kit.errors import InvalidManifestError

MAX_BODY_BYTES: Final = 3 * 1024 * 1024
"""What a real API server reads of one request."""
_MAX_DEPTH: Final = 100


async def read_body(request: web.Request) -> Any:
    """The body of a request as a JSON value. Raises InvalidError when it cannot be read or is nested too deeply."""
    data = await request.read()
    try:
        body = _read(data, request.content_type)
    except UnicodeDecodeError:
        raise refusals.bad_request("the body of the request is not UTF-8") from None
    except RecursionError:
        raise refusals.bad_request("the body of the request is nested too deeply") from None
    except InvalidManifestError as error:
        raise refusals.bad_request(f"the body of the request cannot be read: {error}") from None
    if data.count(b"{") + data.count(b"[") > _MAX_DEPTH and _is_deeper(body, _MAX_DEPTH):
        raise refusals.bad_request(f"the body of the request is nested more than {_MAX_DEPTH} deep")
    return body


def _read(data: bytes, content_type: str) -> Any:
    if content_type == PROTOBUF:
        return read_protobuf(data)
    if "yaml" in content_type and not data.lstrip().startswith(b"{"):
        document = next(read_documents(data.decode(), "body"), None)
        return document.value if document is not None else None
    return read_json(data)


def _is_deeper(value: object, depth: int) -> bool:
    if not isinstance(value, dict | list):
        return False
    parts = value.values() if isinstance(value, dict) else value
    return depth == 0 or any(_is_deeper(part, depth - 1) for part in parts)
