"""Fault injection: delay first, then abort, before anything else happens to a request."""

from dataclasses import dataclass
from typing import Final

from meshsim.api.networking import Fault, Percent, seconds
from meshsim.kit.chance import Draw

GRPC_STATUS: Final = {
    "OK": 0, "CANCELLED": 1, "UNKNOWN": 2, "INVALID_ARGUMENT": 3, "DEADLINE_EXCEEDED": 4, "NOT_FOUND": 5,
    "ALREADY_EXISTS": 6, "PERMISSION_DENIED": 7, "RESOURCE_EXHAUSTED": 8, "FAILED_PRECONDITION": 9, "ABORTED": 10,
    "OUT_OF_RANGE": 11, "UNIMPLEMENTED": 12, "INTERNAL": 13, "UNAVAILABLE": 14, "DATA_LOSS": 15,
    "UNAUTHENTICATED": 16,
}  # fmt: skip
_MILLION: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class FaultPolicy:
    """What a route does to its requests; shares are of a million."""

    delay_s: float = 0.0
    delayed_share: int = 0
    abort_status: int = 0
    abort_grpc_status: int | None = None
    aborted_share: int = 0

    def delay(self, draw: Draw) -> float:
        """How long to hold this request back, 0 for not at all."""
        return self.delay_s if hits(self.delayed_share, draw) else 0.0

    def aborts(self, draw: Draw) -> bool:
        """Whether to answer this request instead of sending it up."""
        return hits(self.aborted_share, draw)


def hits(share: int, draw: Draw) -> bool:
    """Whether chance picks this one; certain shares draw nothing."""
    return share > 0 and (share >= _MILLION or int(draw() * _MILLION) < share)


def share_of(percent: Percent | None, default: int = 0) -> int:
    """A percentage in millionths."""
    return default if percent is None else round(percent.value * 10_000)


def compile_fault(fault: Fault | None) -> FaultPolicy | None:
    """The faults of a route; None when none can ever happen. An absent percentage means never."""
    if fault is None:
        return None
    delay, abort = fault.delay, fault.abort
    policy = FaultPolicy(
        delay_s=(seconds(delay.fixed_delay) or 0.0) if delay else 0.0,
        delayed_share=share_of(delay.percentage, delay.percent * 10_000) if delay else 0,
        abort_status=(abort.http_status or 200) if abort else 0,
        abort_grpc_status=GRPC_STATUS.get(abort.grpc_status) if abort and abort.grpc_status else None,
        aborted_share=share_of(abort.percentage) if abort and (abort.http_status or abort.grpc_status) else 0,
    )
    return policy if policy.aborted_share or (policy.delayed_share and policy.delay_s) else None
