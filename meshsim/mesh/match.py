"""A VirtualService's match conditions, closed over at compile time: request in, yes or no out.

The semantics are Envoy's as istiod asks for them; regular expressions are RE2's and match the whole text.
"""

from collections.abc import Callable, Iterable
from typing import Any, Final

import re2

from meshsim.api.networking import HttpMatch, StringMatch
from meshsim.kit.errors import InvalidManifestError
from meshsim.mesh.request import Request

Matcher = Callable[[Request], bool]
Test = Callable[[bytes], bool]

_SOURCES: Final[dict[str, Callable[[Request], bytes]]] = {
    ":method": lambda request: request.method,
    ":path": lambda request: request.target,
    ":authority": lambda request: request.authority,
    "host": lambda request: request.authority,
    ":scheme": lambda request: request.scheme,
}


def text_test(match: StringMatch) -> Test:
    """How one text is compared; `{}` accepts any text."""
    if match.exact is not None:
        return match.exact.encode().__eq__
    if match.prefix is not None:
        prefix = match.prefix.encode()
        return lambda text: text.startswith(prefix)
    if match.regex is not None:
        return regex_test(match.regex)
    return lambda text: True  # noqa: ARG005 - the signature is Test's


def regex_test(pattern: str) -> Test:
    """RE2 full match. Raises InvalidManifestError."""
    full_match = compile_regex(pattern).fullmatch
    return lambda text: full_match(text) is not None


def compile_regex(pattern: str) -> Any:
    """An RE2 expression over bytes. Raises InvalidManifestError."""
    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(pattern.encode(), options)
    except re2.error as error:
        reason = error.args[0].decode("latin-1") if error.args else "unknown error"
        raise InvalidManifestError(f'"{pattern}" is no RE2 expression: {reason}') from None


def compile_match(match: HttpMatch) -> Matcher | None:
    """All request conditions of a match entry; None when it has none.

    Gateways, source and port are not here: they select routes when the table is built.
    """
    return all_of(
        matcher
        for matcher in (
            _uri(match.uri, ignore_case=match.ignore_uri_case),
            *(
                _of(_SOURCES[name], condition)
                for name, condition in (
                    (":scheme", match.scheme),
                    (":method", match.method),
                    (":authority", match.authority),
                )
            ),
            *(_header(name.lower(), condition) for name, condition in sorted(match.headers.items())),
            *(_without(name.lower(), condition) for name, condition in sorted(match.without_headers.items())),
            *(_query(name, condition) for name, condition in sorted(match.query_params.items())),
        )
        if matcher is not None
    )


def all_of(matchers: Iterable[Matcher]) -> Matcher | None:
    """One matcher that wants all of them; None for none."""
    conditions = tuple(matchers)
    if not conditions:
        return None
    if len(conditions) == 1:
        return conditions[0]
    if len(conditions) == 2:
        first, second = conditions
        return lambda request: first(request) and second(request)
    return lambda request: all(condition(request) for condition in conditions)


def is_catch_all(match: HttpMatch) -> bool:
    """Whether every request passes as istiod sees it: prefix `/` or regex `.*` and no other condition."""
    uri = match.uri
    every_path = uri is None or uri.is_presence or uri.prefix == "/" or uri.regex == ".*"
    others = match.scheme or match.method or match.authority
    return every_path and not (others or match.headers or match.without_headers or match.query_params)


def _uri(uri: StringMatch | None, *, ignore_case: bool) -> Matcher | None:
    if uri is None or uri.prefix in ("", "/"):
        return None
    if ignore_case and uri.exact is not None:
        exact = uri.exact.encode().lower()
        return lambda request: request.path.lower() == exact
    if ignore_case and uri.prefix is not None:
        prefix = uri.prefix.encode().lower()
        return lambda request: request.path.lower().startswith(prefix)
    test = text_test(uri)
    return lambda request: test(request.path)


def _of(source: Callable[[Request], bytes], condition: StringMatch | None) -> Matcher | None:
    if condition is None:
        return None
    test = text_test(condition)
    return lambda request: test(source(request))


def _header(name: str, condition: StringMatch) -> Matcher:
    source = _SOURCES.get(name)
    test = text_test(condition)
    if source is not None:
        return lambda request: test(source(request))
    key = name.encode()
    # Each line is tested by itself; lines are not joined.
    return lambda request: any(map(test, request.fields.values(key)))


def _without(name: str, condition: StringMatch) -> Matcher:
    source = _SOURCES.get(name)
    if condition.is_presence or condition.regex == "*":
        key = name.encode()
        return lambda request: source is None and not request.fields.values(key)
    test = text_test(condition)
    if source is not None:
        return lambda request: not test(source(request))
    key = name.encode()
    # A missing header counts as an empty one.
    return lambda request: not any(map(test, request.fields.values(key) or (b"",)))


def _query(name: str, condition: StringMatch) -> Matcher:
    key = name.encode()
    test = text_test(condition)

    def matches(request: Request) -> bool:
        value = query_value(request.query, key)
        return value is not None and test(value)

    return matches


def query_value(query: bytes, name: bytes) -> bytes | None:
    """The raw value of the first parameter of that name; `k` and `k=` are both empty."""
    for pair in query.split(b"&"):
        key, _, value = pair.partition(b"=")
        if key == name:
            return value
    return None
