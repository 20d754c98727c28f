"""Reading what clients send: JSON within bounds."""

from typing import Any, Final

from aiohttp import web

from meshsim.api.decode import FieldError, read_json
from meshsim.apiserver import refusals

MAX_BODY_BYTES: Final = 3 * 1024 * 1024
"""What a real API server reads of one request."""
_MAX_DEPTH: Final = 100


async def read_body(request: web.Request) -> Any:
    """The body of a request as JSON. Raises InvalidError for one that cannot be read or is nested too deeply."""
    data = await request.read()
    try:
        body = read_json(data)
    except UnicodeDecodeError:
        raise refusals.bad_request("the body of the request is not UTF-8") from None
    except RecursionError:
        raise refusals.bad_request("the body of the request is nested too deeply") from None
    except FieldError as error:
        raise refusals.bad_request(f"the body of the request cannot be read: {error}") from None
    if data.count(b"{") + data.count(b"[") > _MAX_DEPTH and _is_deeper(body, _MAX_DEPTH):
        raise refusals.bad_request(f"the body of the request is nested more than {_MAX_DEPTH} deep")
    return body


def _is_deeper(value: object, depth: int) -> bool:
    if not isinstance(value, dict | list):
        return False
    parts = value.values() if isinstance(value, dict) else value
    return depth == 0 or any(_is_deeper(part, depth - 1) for part in parts)
