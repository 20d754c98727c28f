"""Header names and values as Istio checks them."""

import re
from collections.abc import Mapping
from typing import Final

from meshsim.api.networking import Headers
from meshsim.api.validate.findings import Findings, error_if
from meshsim.api.validate.gotext import quote

_NAME: Final = re.compile(r"[!#$%&'*+\-.^_`|~A-Za-z0-9]+")
_VALUE: Final = re.compile(r"[^\x00-\x08\x0a-\x1f\x7f]*")
_PSEUDO: Final = frozenset({":method", ":scheme", ":authority", ":path", ":status"})
_CLAIMS: Final = "@request.auth.claims"


def is_jwt_claim(name: str) -> bool:
    """The header name that stands for a JWT's claim: `@request.auth.claims.sub` or `@request.auth.claims[sub]`."""
    if not name.lower().startswith(_CLAIMS):
        return False
    rest = name[len(_CLAIMS) :]
    return (rest.startswith(".") and len(rest) > 1) or (rest.startswith("[") and rest.endswith("]") and len(rest) > 2)


def match_header_error(name: str) -> str | None:
    """The name of a header that is matched: a token, a pseudo header or a JWT claim."""
    if name and (is_jwt_claim(name) or name in _PSEUDO):
        return None
    return _name_error(name)


def cors_header_error(name: str) -> str | None:
    """The name of a header in a CORS policy; `*` is all of them."""
    return None if name == "*" else _name_error(name)


def _name_error(name: str) -> str | None:
    if not name:
        return "header name cannot be empty"
    return None if _NAME.fullmatch(name) else f"header name {name} is not a valid header name"


def is_authority(name: str) -> bool:
    """The header that names the host."""
    return name.lower() in (":authority", "host")


def check_operations(path: str, headers: Headers | None) -> Findings:
    """What a route or a destination does to headers; only requests may have their host set."""
    if headers is None:
        return
    for side, operations in (("request", headers.request), ("response", headers.response)):
        if operations is None:
            continue
        may_set_host = side == "request"
        yield from _check_writes(f"{path}.{side}.add", operations.add, may_set_host)
        yield from _check_writes(f"{path}.{side}.set", operations.set, may_set_host)
        for index, name in enumerate(operations.remove):
            yield from error_if(f"{path}.{side}.remove[{index}]", _written_name_error(name, may_set_host=False))


def _check_writes(path: str, writes: Mapping[str, str], may_set_host: bool) -> Findings:
    for name, value in writes.items():
        yield from error_if(path, _written_name_error(name, may_set_host))
        yield from error_if(f"{path}.{name}", header_value_error(value))


def _written_name_error(name: str, may_set_host: bool) -> str | None:
    if not name:
        return "header name cannot be empty"
    if may_set_host and is_authority(name):
        return None
    if name.lower() == "host":
        return f"invalid header {quote(name)}: cannot set Host header"
    return f'invalid header {quote(name)}: header cannot have ":" prefix' if name.startswith(":") else None


_LITERAL: Final = "literal"
_VARIABLE: Final = "variable"
_ARGUMENTS: Final = "arguments"
_STRING: Final = "string"
_QUOTE: Final = "quote"
_DELIMITER: Final = "delimiter"
_PARENTHESIS: Final = "parenthesis"
_PERCENT: Final = "percent"

_MOVES: Final[dict[str, dict[str, str]]] = {
    _VARIABLE: {"%": _LITERAL, "(": _ARGUMENTS},
    _ARGUMENTS: {"[": _QUOTE, " ": _ARGUMENTS},
    _STRING: {")": _PERCENT, '"': _DELIMITER},
    _QUOTE: {'"': _STRING, " ": _QUOTE},
    _DELIMITER: {",": _QUOTE, "]": _PARENTHESIS, " ": _DELIMITER},
    _PARENTHESIS: {")": _PERCENT, " ": _PARENTHESIS},
    _PERCENT: {"%": _LITERAL, " ": _PERCENT},
}
"""Where Envoy's parser of `%VARIABLE(["argument"])%` goes on, by what it reads."""
_OTHERWISE: Final = {_VARIABLE: _VARIABLE, _ARGUMENTS: _STRING, _STRING: _STRING}
_EXPECTS: Final = {
    _QUOTE: "Expecting '\"'",
    _DELIMITER: "Expecting ',', ']', or whitespace",
    _PARENTHESIS: "Expecting ')' or whitespace after '{}', but found '{}'",
    _PERCENT: "Expecting '%' or whitespace after",
}


def header_value_error(value: str) -> str | None:
    """What is wrong with a header value in which `%` begins one of Envoy's variables and `%%` is a percent sign."""
    if not _VALUE.fullmatch(value):
        return f"header value configuration {value} is invalid"
    problem = _format_error(value)
    return None if problem is None else f"header value configuration: invalid header configuration. {problem}"


def _format_error(value: str) -> str | None:
    state, at = _LITERAL, 0
    while at < len(value):
        char, following = value[at], value[at + 1 : at + 2]
        if state == _LITERAL:
            if char == "%" and not following:
                return "Un-escaped %"
            if char == "%" and following != "%":
                state = _VARIABLE
            at += char == "%" == following
        elif state == _STRING and char == "\\":
            if not following:
                return "Un-terminated backslash in JSON string"
            at += 1
        else:
            known = _MOVES[state].get(char) or _OTHERWISE.get(state)
            if known is None:
                return _EXPECTS[state]
            state = known
        at += 1
    return None if state == _LITERAL else f"Un-terminated variable expression '{value}'"
