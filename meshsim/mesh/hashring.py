"""Consistent hashing: which host a key belongs to, so that few keys move when hosts come and go."""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

from meshsim.api.networking import ConsistentHash, seconds
from meshsim.mesh.match import query_value
from meshsim.mesh.request import Request

Place = Callable[[int], int]
"""A key → the index of its host."""

DEFAULT_RING_SIZE: Final = 1024
DEFAULT_TABLE_SIZE: Final = 65537
_MAX_RING_SIZE: Final = 8 * 1024 * 1024


def hash_of(data: bytes) -> int:
    """64 bits, the same in every process and run."""
    return int.from_bytes(blake2b(data, digest_size=8).digest(), "big")


@dataclass(frozen=True, slots=True)
class CookieSpec:
    """The cookie that carries a key; `ttl_s` None means that it is never generated."""

    name: bytes
    path: bytes
    ttl_s: int | None

    def header(self, key: int) -> bytes:
        """The Set-Cookie that makes a client stay with a key."""
        parts = [self.name + b'="%016x"' % key]
        if self.ttl_s:
            parts.append(b"Max-Age=%d" % self.ttl_s)
        if self.path:
            parts.append(b"Path=" + self.path)
        return b"; ".join((*parts, b"HttpOnly"))


@dataclass(frozen=True, slots=True)
class HashPolicy:
    """What of a request is hashed, and into what."""

    text_of: Callable[[Request], bytes | None]
    cookie: CookieSpec | None = None

    def key(self, request: Request) -> int | None:
        """The request's key; None when it carries none."""
        text = self.text_of(request)
        return None if text is None else hash_of(text)


def compile_hash(consistent: ConsistentHash | None) -> HashPolicy | None:
    """What is hashed; None without a consistent hash."""
    if consistent is None:
        return None
    if consistent.http_header_name:
        name = consistent.http_header_name.lower().encode()
        return HashPolicy(lambda request: b",".join(sorted(request.fields.values(name))) or None)
    if consistent.http_cookie is not None:
        cookie = consistent.http_cookie
        ttl_s = seconds(cookie.ttl)
        spec = CookieSpec(cookie.name.encode(), cookie.path.encode(), None if ttl_s is None else int(ttl_s))
        return HashPolicy(lambda request: _cookie(request, spec.name), spec if spec.ttl_s is not None else None)
    if consistent.http_query_parameter_name:
        parameter = consistent.http_query_parameter_name.encode()
        return HashPolicy(lambda request: query_value(request.query, parameter))
    if consistent.use_source_ip:
        return HashPolicy(lambda request: request.source_ip)
    return None


def _cookie(request: Request, name: bytes) -> bytes | None:
    for line in request.fields.values(b"cookie"):
        for pair in line.split(b";"):
            key, equals, value = pair.strip().partition(b"=")
            if equals and key == name:
                return value.strip(b'"')
    return None


def ring(names: Sequence[bytes], minimum_size: int) -> Place:
    """A ketama ring: each host has as many points as make the ring at least that large."""
    per_host = -(-min(max(minimum_size, 1), _MAX_RING_SIZE) // len(names))
    points = sorted(
        (hash_of(b"%b_%d" % (name, point)), index) for index, name in enumerate(names) for point in range(per_host)
    )
    bounds = [bound for bound, _ in points]
    owners = [index for _, index in points]
    return lambda key: owners[bisect_left(bounds, key) % len(owners)]


def maglev(names: Sequence[bytes], table_size: int) -> Place:
    """A Maglev table: hosts take slots in turn, each by its own permutation."""
    offsets = [hash_of(name) % table_size for name in names]
    skips = [hash_of(name + b"/skip") % (table_size - 1) + 1 for name in names]
    table = [-1] * table_size
    filled = 0
    turns = [0] * len(names)
    while filled < table_size:
        for index in range(len(names)):
            slot = (offsets[index] + skips[index] * turns[index]) % table_size
            while table[slot] >= 0:
                turns[index] += 1
                slot = (offsets[index] + skips[index] * turns[index]) % table_size
            table[slot] = index
            turns[index] += 1
            filled += 1
            if filled == table_size:
                break
    return lambda key: table[key % table_size]
