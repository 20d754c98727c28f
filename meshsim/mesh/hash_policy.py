"""What of a request is hashed for consistent hashing, as Envoy does it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

import xxhash

from meshsim.api.networking import ConsistentHash, seconds
from meshsim.mesh.match import query_value
from meshsim.mesh.request import Request

_64_BITS: Final = 2**64 - 1


def hash_of(data: bytes, seed: int = 0) -> int:
    """xxHash64, 64 bits."""
    return xxhash.xxh64_intdigest(data, seed)


@dataclass(frozen=True, slots=True)
class CookieSpec:
    """The cookie that carries a key; `ttl_s` None means that it is never generated."""

    name: bytes
    path: bytes
    ttl_s: int | None
    attributes: tuple[bytes, ...] = ()

    def made_for(self, connection: str) -> tuple[int, bytes]:
        """A key and the Set-Cookie by which the client stays with it, the same for all requests of a connection."""
        value = b"%016x" % hash_of(connection.encode())
        return hash_of(value), self._header(value)

    def _header(self, value: bytes) -> bytes:
        parts = [self.name + b'="' + value + b'"']
        if self.ttl_s:
            parts.append(b"Max-Age=%d" % self.ttl_s)
        if self.path:
            parts.append(b"Path=" + self.path)
        return b"; ".join((*parts, *self.attributes, b"HttpOnly"))


@dataclass(frozen=True, slots=True)
class HashPolicy:
    """What of a request is hashed, and into what."""

    text_of: Callable[[Request], bytes | None]
    cookie: CookieSpec | None = None

    def key(self, request: Request) -> int | None:
        """The request's key; None when it carries none."""
        text = self.text_of(request)
        return None if text is None else hash_of(text)


def key_of(policies: Iterable[HashPolicy], request: Request, connection: str) -> tuple[int | None, tuple[bytes, ...]]:
    """The key of a request and the cookies to be set for it; several policies make one key together, as in Envoy."""
    key: int | None = None
    cookies: list[bytes] = []
    for policy in policies:
        own = policy.key(request)
        if own is None and policy.cookie is not None:
            own, line = policy.cookie.made_for(connection)
            cookies.append(line)
        if own is not None:
            before = key or 0
            key = ((before << 1 | before >> 63) & _64_BITS) ^ own
    return key, tuple(cookies)


def compile_hash(consistent: ConsistentHash | None) -> HashPolicy | None:
    """What is hashed; None without a consistent hash."""
    if consistent is None:
        return None
    if consistent.http_header_name:
        name = consistent.http_header_name.lower().encode()
        return HashPolicy(lambda request: _header(request, name))
    if consistent.http_cookie is not None:
        cookie = consistent.http_cookie
        ttl_s = seconds(cookie.ttl)
        spec = CookieSpec(
            name=cookie.name.encode(),
            path=cookie.path.encode(),
            ttl_s=None if ttl_s is None else int(ttl_s),
            attributes=tuple("=".join(filter(None, (a.name, a.value))).encode() for a in cookie.attributes),
        )
        return HashPolicy(lambda request: _cookie(request, spec.name), spec if spec.ttl_s is not None else None)
    if consistent.http_query_parameter_name:
        parameter = consistent.http_query_parameter_name.encode()
        return HashPolicy(lambda request: query_value(request.query, parameter))
    if consistent.use_source_ip:
        return HashPolicy(lambda request: request.source_ip)
    return None


def _header(request: Request, name: bytes) -> bytes | None:
    lines = request.fields.values(name)
    return b"".join(sorted(lines)) if lines else None


def _cookie(request: Request, name: bytes) -> bytes | None:
    for line in request.fields.values(b"cookie"):
        for pair in line.split(b";"):
            key, equals, value = pair.strip().partition(b"=")
            if equals and key == name:
                return value.strip(b'"')
    return None
