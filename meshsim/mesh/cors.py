"""Cross-origin resource sharing, as Envoy's cors filter answers and marks requests."""

from dataclasses import dataclass

from meshsim.api.networking import CorsPolicy, StringMatch, seconds
from meshsim.mesh.match import Test, text_test
from meshsim.mesh.request import Request

Line = tuple[bytes, bytes]


@dataclass(frozen=True, slots=True)
class Cors:
    """The policy of a route. `methods` and `headers` are what a preflight may ask for; `*` is whatever it does."""

    origins: tuple[Test, ...]
    credentials: tuple[Line, ...] = ()
    methods: bytes = b""
    headers: bytes = b""
    max_age: tuple[Line, ...] = ()
    exposed: tuple[Line, ...] = ()
    ignores_unmatched_preflights: bool = False

    def preflight(self, request: Request) -> tuple[Line, ...] | None:
        """What answers a preflight request, besides its marks; None when it is none, or is forwarded like any other."""
        origin = request.fields.first(b"origin")
        asked = request.fields.first(b"access-control-request-method")
        if request.method != b"OPTIONS" or not origin or not asked:
            return None
        if not (self.ignores_unmatched_preflights or self._allows(origin)):
            return None
        headers = request.fields.first(b"access-control-request-headers") if self.headers == b"*" else self.headers
        return (
            *self.credentials,
            *_given(b"access-control-allow-methods", asked if self.methods == b"*" else self.methods),
            *_given(b"access-control-allow-headers", headers),
            *self.max_age,
        )

    def marks(self, request: Request) -> tuple[Line, ...]:
        """The headers that every response gets, preflight or not, over the upstream's own."""
        origin = request.fields.first(b"origin")
        if not origin or not self._allows(origin):
            return ()
        return ((b"access-control-allow-origin", origin), *self.credentials, *self.exposed)

    def _allows(self, origin: bytes) -> bool:
        # What matches `*` matches everything, whether it is that text or a pattern for it.
        return any(test(origin) or test(b"*") for test in self.origins)


def compile_cors(policy: CorsPolicy | None) -> Cors | None:
    """The policy, compiled."""
    if policy is None:
        return None
    origins = policy.allow_origins or tuple(StringMatch(exact=origin) for origin in policy.allow_origin)
    max_age = seconds(policy.max_age)
    return Cors(
        origins=tuple(text_test(origin) for origin in origins),
        credentials=_given(b"access-control-allow-credentials", b"true" if policy.allow_credentials else b""),
        methods=",".join(policy.allow_methods).encode(),
        headers=",".join(policy.allow_headers).encode(),
        max_age=_given(b"access-control-max-age", b"" if max_age is None else b"%d" % max_age),
        exposed=_given(b"access-control-expose-headers", ",".join(policy.expose_headers).encode()),
        ignores_unmatched_preflights=policy.unmatched_preflights == "IGNORE",
    )


def _given(name: bytes, value: bytes) -> tuple[Line, ...]:
    return ((name, value),) if value else ()
