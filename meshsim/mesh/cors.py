"""Cross-origin resource sharing, as Envoy's cors filter answers and marks requests."""

from dataclasses import dataclass

from meshsim.api.networking import CorsPolicy, StringMatch, seconds
from meshsim.mesh.match import Test, text_test
from meshsim.mesh.request import Request

Line = tuple[bytes, bytes]


@dataclass(frozen=True, slots=True)
class Cors:
    """The policy of a route."""

    origins: tuple[Test, ...]
    preflight_lines: tuple[Line, ...]
    response_lines: tuple[Line, ...]
    ignores_unmatched_preflights: bool = False

    def preflight(self, request: Request) -> tuple[Line, ...] | None:
        """The headers that answer a preflight request; None when it is none, or is forwarded like any other."""
        origin = request.fields.first(b"origin")
        asked = request.fields.first(b"access-control-request-method")
        if request.method != b"OPTIONS" or not origin or not asked:
            return None
        if self._allows(origin):
            return ((b"access-control-allow-origin", origin), *self.preflight_lines)
        return () if self.ignores_unmatched_preflights else None

    def marks(self, request: Request) -> tuple[Line, ...]:
        """The headers that the response of a forwarded request gets, over the upstream's own."""
        origin = request.fields.first(b"origin")
        if not origin or not self._allows(origin):
            return ()
        return ((b"access-control-allow-origin", origin), *self.response_lines)

    def _allows(self, origin: bytes) -> bool:
        # What matches `*` matches everything, whether it is that text or a pattern for it.
        return any(test(origin) or test(b"*") for test in self.origins)


def compile_cors(policy: CorsPolicy | None) -> Cors | None:
    """The policy, compiled."""
    if policy is None:
        return None
    origins = policy.allow_origins or tuple(StringMatch(exact=origin) for origin in policy.allow_origin)
    credentials = ((b"access-control-allow-credentials", b"true"),) if policy.allow_credentials else ()
    exposed = _listed(b"access-control-expose-headers", policy.expose_headers)
    max_age = seconds(policy.max_age)
    return Cors(
        origins=tuple(text_test(origin) for origin in origins),
        preflight_lines=(
            *credentials,
            *_listed(b"access-control-allow-methods", policy.allow_methods),
            *_listed(b"access-control-allow-headers", policy.allow_headers),
            *(() if max_age is None else ((b"access-control-max-age", b"%d" % max_age),)),
            *exposed,
        ),
        response_lines=(*credentials, *exposed),
        ignores_unmatched_preflights=policy.unmatched_preflights == "IGNORE",
    )


def _listed(name: bytes, values: tuple[str, ...]) -> tuple[Line, ...]:
    return ((name, ",".join(values).encode()),) if values else ()
