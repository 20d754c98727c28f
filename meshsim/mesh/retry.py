"""Whether a failed attempt is sent again, and when (Envoy's retry_state, with istiod's defaults)."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from meshsim.api.networking import Retries, seconds
from meshsim.kit.chance import Draw
from meshsim.mesh.request import HeaderFields

_DEFAULT_ON: Final = "connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes"
_DEFAULT_ATTEMPTS: Final = 2
_DEFAULT_BACKOFF_S: Final = 0.025
MAX_REPLAYED_BYTES: Final = 1024 * 1024
"""A request whose body is longer is not sent again."""
_GRPC_CONDITIONS: Final = {
    b"1": "cancelled",
    b"4": "deadline-exceeded",
    b"8": "resource-exhausted",
    b"13": "internal",
    b"14": "unavailable",
}


class Reset(StrEnum):
    """How an attempt ended without a response; the value is how Envoy names it in body and details."""

    CONNECTION_FAILURE = "remote connection failure"
    CONNECTION_TIMEOUT = "connection timeout"
    TERMINATION = "connection termination"
    PROTOCOL_ERROR = "protocol error"
    OVERFLOW = "overflow"
    PER_TRY_TIMEOUT = "per try timeout"


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and when a request of a route is sent again.

    `replays` is whether that can happen after some of the request was sent, so that it has to be kept.
    """

    attempts: int
    conditions: frozenset[str]
    statuses: frozenset[int] = frozenset()
    per_try_timeout_s: float | None = None
    backoff_s: float = _DEFAULT_BACKOFF_S
    avoids_previous_hosts: bool = True

    @property
    def replays(self) -> bool:
        """Whether a request may be sent again after its body went out."""
        return bool(self.attempts and self.conditions - {"connect-failure", "refused-stream", "reset-before-request"})

    def wants_reset(self, reset: Reset, *, was_sent: bool) -> bool:
        """Whether an attempt that ended so is worth another."""
        if reset is Reset.OVERFLOW or not self.attempts:
            return False
        on = self.conditions
        if "5xx" in on or "gateway-error" in on or "reset" in on:
            return True
        if reset in (Reset.CONNECTION_FAILURE, Reset.CONNECTION_TIMEOUT) and "connect-failure" in on:
            return True
        return not was_sent and reset is not Reset.PER_TRY_TIMEOUT and "reset-before-request" in on

    def wants_response(self, status: int, fields: HeaderFields) -> bool:
        """Whether a response is worth another attempt."""
        on = self.conditions
        if not self.attempts:
            return False
        if fields.values(b"x-envoy-ratelimited"):
            return "envoy-ratelimited" in on
        if status in self.statuses:
            return True
        if status >= 400:
            return (
                (status >= 500 and "5xx" in on)
                or (status in (502, 503, 504) and "gateway-error" in on)
                or (status == 409 and "retriable-4xx" in on)
            )
        grpc_status = fields.first(b"grpc-status")
        return bool(grpc_status) and _GRPC_CONDITIONS.get(grpc_status) in on

    def wait_s(self, retry: int, draw: Draw) -> float:
        """How long to wait before the n-th retry: uniform in [0, min(base·(2ⁿ−1), 10·base))."""
        return draw() * self.backoff_s * min((1 << retry) - 1, 10)


def compile_retries(retries: Retries | None, *, sticky: bool = False) -> RetryPolicy:
    """A route's policy, the mesh's default without one; `sticky` routes go back to the host their hash names."""
    if retries is None:
        return RetryPolicy(_DEFAULT_ATTEMPTS, frozenset(_DEFAULT_ON.split(",")), avoids_previous_hosts=not sticky)
    if retries.attempts <= 0:
        return NO_RETRIES
    words = [word.strip() for word in (retries.retry_on or _DEFAULT_ON).split(",")]
    avoids = retries.retry_ignore_previous_hosts
    statuses = frozenset(int(word) for word in words if word.isdigit())
    return RetryPolicy(
        attempts=retries.attempts,
        conditions=frozenset(word for word in words if not word.isdigit()),
        statuses=statuses,
        per_try_timeout_s=seconds(retries.per_try_timeout),
        backoff_s=seconds(retries.backoff) or _DEFAULT_BACKOFF_S,
        avoids_previous_hosts=not sticky if avoids is None else avoids,
    )


NO_RETRIES: Final = RetryPolicy(0, frozenset())
