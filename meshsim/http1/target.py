"""The target of a request: its origin form, and the authority where a server looks for it."""

from typing import Final

from meshsim.http1.errors import MessageError
from meshsim.http1.fields import RequestFields

_SCHEMES: Final = (b"http://", b"https://")


def addressed(method: bytes, target: bytes, fields: RequestFields) -> tuple[bytes, RequestFields]:
    """Target and fields of a request with its authority in `host`, where an absolute target or CONNECT has brought it.

    What is left is a path, `*` for OPTIONS, or the authority of CONNECT. Raises MessageError for any other target,
    and when nobody can tell whom the request is for. A host must be there, and be one, also where it is overruled.
    """
    if fields.host is None:
        raise MessageError(400, "missing_host_header", flags="", is_silent=True)
    if not fields.host_is_valid:
        raise MessageError(400, "http.invalid_authority")
    if target[:8].lower().startswith(_SCHEMES):
        authority, target = _split_absolute(target)
        if authority != fields.host:
            fields = fields.for_authority(authority)
        if not authority:
            raise MessageError(400, "http1.invalid_url")
    elif method == b"CONNECT":
        fields = fields.for_authority(target)
    elif target[:1] != b"/" and (target != b"*" or method != b"OPTIONS"):
        raise MessageError(400, "http1.codec_error")
    if not fields.host_is_valid:
        raise MessageError(400, "http.invalid_authority")
    return target, fields


def _split_absolute(target: bytes) -> tuple[bytes, bytes]:
    rest = target.partition(b"://")[2]
    for index, byte in enumerate(rest):
        if byte in b"/?#":
            path = rest[index:]
            return rest[:index], path if path[:1] == b"/" else b"/" + path
    return rest, b"/"
