"""Rewriting a request's target before it is sent up."""

from collections.abc import Callable

from meshsim.api.networking import HttpMatch, Rewrite
from meshsim.mesh.match import compile_regex

RewriteTarget = Callable[[bytes], bytes]
"""The target as matched → the target as sent; the query is kept."""


def compile_rewrite(rewrite: Rewrite | None, match: HttpMatch | None) -> RewriteTarget | None:
    """How a route with this match entry rewrites; None when it leaves the target alone.

    With a prefix match the prefix is replaced, textually; with an exact or regex match the whole path; without a
    uri match the prefix is `/`. Raises InvalidManifestError.
    """
    if rewrite is None:
        return None
    if rewrite.uri_regex_rewrite is not None:
        substitute = compile_regex(rewrite.uri_regex_rewrite.match).sub
        replacement = rewrite.uri_regex_rewrite.rewrite.encode()
        return _of_path(lambda path: substitute(replacement, path))
    if not rewrite.uri:
        return None
    uri = rewrite.uri.encode()
    condition = match.uri if match else None
    if condition is not None and (condition.exact is not None or condition.regex is not None):
        return _of_path(lambda path: uri)  # noqa: ARG005 - the whole path is replaced
    prefix = (condition.prefix if condition else None) or "/"
    length = len(prefix.encode())
    return lambda target: uri + target[length:]


def _of_path(change: Callable[[bytes], bytes]) -> RewriteTarget:
    def rewritten(target: bytes) -> bytes:
        path, mark, query = target.partition(b"?")
        return change(path) + mark + query

    return rewritten
