"""Telling who knows a token from who doesn't."""

import base64
import binascii
import hmac


def knows(token: str, authorization: str) -> bool:
    """Whether an Authorization header presents the token: as a bearer's, or as the password of any user.

    A wrong one takes as long as a right one, however much of it is right.
    """
    scheme, _, credentials = authorization.partition(" ")
    presented = credentials.strip().encode("utf-8", "surrogateescape")
    match scheme.lower():
        case "bearer":
            pass
        case "basic":
            presented = _password(presented)
        case _:
            return False
    return hmac.compare_digest(presented, token.encode())


def _password(credentials: bytes) -> bytes:
    try:
        return base64.b64decode(credentials, validate=True).partition(b":")[2]
    except (binascii.Error, ValueError):
        return b""
