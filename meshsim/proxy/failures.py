"""How the proxy words what went wrong upstream: status, body, flag and details as Envoy has them."""

from dataclasses import dataclass
from typing import Final

from meshsim.mesh.headers import Line
from meshsim.mesh.retry import Reset

_FLAG_OF: Final = {
    Reset.CONNECTION_FAILURE: "UF",
    Reset.CONNECTION_TIMEOUT: "UF",
    Reset.TERMINATION: "UC",
    Reset.PROTOCOL_ERROR: "UPE",
    Reset.OVERFLOW: "UO",
    Reset.PER_TRY_TIMEOUT: "UT",
}
_DETAIL_OF: Final = {
    Reset.CONNECTION_FAILURE: "remote_connection_failure|delayed_connect_error:_Connection_refused",
}
_GRPC_STATUS_OF: Final = {400: 13, 401: 16, 403: 7, 404: 12, 429: 14, 502: 14, 503: 14, 504: 14}
_UNKNOWN: Final = 2


@dataclass(frozen=True, slots=True)
class Failure:
    """What a client is told instead of a response."""

    status: int
    body: bytes
    flag: str
    details: str
    lines: tuple[Line, ...] = ()


def failure_before_response(reset: Reset, *, retried: bool, cause: str = "") -> Failure:
    """For a request whose last attempt ended without a response; `cause` tells more than the reset does."""
    cause = cause or _DETAIL_OF.get(reset) or reset.value.replace(" ", "_")
    again = "retried and the latest " if retried else ""
    body = f"upstream connect error or disconnect/reset before headers. {again}reset reason: {reset.value}"
    return Failure(
        status=502 if reset is Reset.PROTOCOL_ERROR else 503,
        body=body.encode(),
        flag=_FLAG_OF[reset],
        details=f"upstream_reset_before_response_started{{{cause}}}",
        lines=((b"x-envoy-overloaded", b"true"),) if reset is Reset.OVERFLOW else (),
    )


def failure_in_response(reset: Reset) -> tuple[str, str]:
    """Flag and details for a response that was cut."""
    if reset is Reset.PROTOCOL_ERROR:
        return "UPE", "upstream_reset_after_response_started{protocol_error}"
    return "UC", "upstream_reset_after_response_started{connection_termination}"


def grpc_status_of(status: int) -> int:
    """The gRPC status that stands for an HTTP one."""
    return _GRPC_STATUS_OF.get(status, _UNKNOWN)
