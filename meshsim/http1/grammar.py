"""The shape of an HTTP/1.x message head: one compiled pattern each way.

The patterns are the defence against smuggling: what they don't match is never forwarded. Quantifiers are
possessive, so a head is read once, in time linear in its length. `fault_of` then names what was wrong.
"""

import re
from typing import Final

from meshsim.http1.errors import MessageError

_METHODS: Final = (
    b"GET", b"POST", b"PUT", b"HEAD", b"DELETE", b"PATCH", b"OPTIONS", b"TRACE", b"CONNECT", b"ACL", b"BIND",
    b"CHECKOUT", b"COPY", b"LINK", b"LOCK", b"MERGE", b"MKACTIVITY", b"MKCALENDAR", b"MKCOL", b"MOVE", b"MSEARCH",
    b"NOTIFY", b"PROPFIND", b"PROPPATCH", b"PURGE", b"REBIND", b"REPORT", b"SEARCH", b"SOURCE", b"SUBSCRIBE",
    b"UNBIND", b"UNLINK", b"UNLOCK", b"UNSUBSCRIBE",
)  # fmt: skip
"""The methods Envoy's codec knows; any other is refused."""

TOKEN: Final = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]"
"""One character of it."""

_FIELD: Final = TOKEN + rb"++:[\t -~\x80-\xff]*+\r\n"
_FIELDS: Final = rb"((?:" + _FIELD + rb")*+)"
_REQUEST_LINE: Final = rb"(" + rb"|".join(_METHODS) + rb") ([!-~]++) HTTP/1\.([01])\r\n"
_STATUS_LINE: Final = rb"HTTP/1\.([01]) ([1-9][0-9][0-9])(?: [\t -~\x80-\xff]*+)?\r\n"

REQUEST_HEAD: Final = re.compile(_REQUEST_LINE + _FIELDS + rb"\r\n")
"""Groups: method, target, minor version, header section."""

RESPONSE_HEAD: Final = re.compile(_STATUS_LINE + _FIELDS + rb"\r\n")
"""Groups: minor version, status, header section."""

REQUEST_LINE: Final = re.compile(_REQUEST_LINE)
STATUS_LINE: Final = re.compile(_STATUS_LINE)
FIELD: Final = re.compile(_FIELD)
BLANK_LINE: Final = b"\r\n"

FIELD_LINE: Final = re.compile(rb"([^:]++):[ \t]*+([^\r]*+)\r\n")
"""One line of a header section that a head pattern has accepted. Groups: name, value with its trailing blanks."""

END_OF_HEAD: Final = b"\r\n\r\n"
MAX_HEAD_BYTES: Final = 60 * 1024
MAX_FIELDS: Final = 100

_CONTROL: Final = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_OLD_VERSION: Final = re.compile(rb"[!-~]++ [!-~]++(?: HTTP/(?!1\.1)[0-9](?:\.[0-9])?)?\r?\n")


def fault_of(head: bytes) -> MessageError:
    """Why a complete request head was not accepted."""
    line = head.partition(b"\n")[0] + b"\n"
    old = _OLD_VERSION.fullmatch(line)
    method = line.partition(b" ")[0]
    if old is not None and method in _METHODS and b" HTTP/1.0" not in line:
        return MessageError(426, "low_version")
    return MessageError(400, "http1.invalid_characters" if _CONTROL.search(head) else "http1.codec_error")
