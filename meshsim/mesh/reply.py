"""Routes that answer by themselves: redirects and direct responses."""

import base64
import binascii
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from meshsim.api.networking import DirectResponse, HttpMatch, Redirect
from meshsim.mesh.request import Request

Locate = Callable[[Request, int], bytes]
"""A request and the number of its listener → where the client is sent."""

_DEFAULT_PORTS: Final = {b"http": 80, b"https": 443}


@dataclass(frozen=True, slots=True)
class FixedReply:
    """A status and a body."""

    status: int
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class RedirectReply:
    """A status and a Location."""

    status: int
    locate: Locate


def compile_direct_response(response: DirectResponse) -> FixedReply:
    """The fixed answer; a body that is no base64 stays empty."""
    body = response.body
    if body is None:
        return FixedReply(response.status)
    if body.string is not None:
        return FixedReply(response.status, body.string.encode())
    try:
        return FixedReply(response.status, base64.b64decode(body.bytes or ""))
    except binascii.Error:
        return FixedReply(response.status)


def https_redirect() -> RedirectReply:
    """What a server with `httpsRedirect` answers everything with."""
    return RedirectReply(301, lambda request, port: b"https://" + request.authority + request.target)  # noqa: ARG005


def compile_redirect(redirect: Redirect, match: HttpMatch | None) -> RedirectReply:
    """How a route with this match entry redirects."""
    target = _target(redirect, match)
    wanted_scheme = redirect.scheme.encode()
    authority = redirect.authority.encode()

    def locate(request: Request, listener_port: int) -> bytes:
        scheme = wanted_scheme or request.scheme
        port = listener_port if redirect.derive_port == "FROM_REQUEST_PORT" else redirect.port or 0
        host = authority or request.authority
        if port and port != _DEFAULT_PORTS.get(scheme):
            host = _without_port(host) + b":%d" % port
        elif not authority and scheme != request.scheme:
            # The old scheme's own port means nothing under the new one.
            host = host.removesuffix(b":%d" % _DEFAULT_PORTS[request.scheme])
        return scheme + b"://" + host + target(request)

    return RedirectReply(redirect.redirect_code or 301, locate)


def _target(redirect: Redirect, match: HttpMatch | None) -> Callable[[Request], bytes]:
    if redirect.uri:
        uri = _rooted(redirect.uri)
        if b"?" in uri:
            return lambda request: uri  # noqa: ARG005 - its own query replaces the request's
        return lambda request: uri + request.target[len(request.path) :]
    if redirect.prefix_rewrite:
        prefix = _rooted(redirect.prefix_rewrite)
        length = len(((match.uri.prefix if match and match.uri else None) or "/").encode())
        return lambda request: prefix + request.target[length:]
    return lambda request: request.target


def _rooted(path: str) -> bytes:
    """The path with the slash that Envoy gives one without: a host name that goes on with a path is another host."""
    return path.encode() if path.startswith("/") else b"/" + path.encode()


def _without_port(authority: bytes) -> bytes:
    host, colon, port = authority.rpartition(b":")
    return host if colon and port.isdigit() else authority
