"""Outlier detection: which hosts are taken out for a while (Envoy's consecutive-error detectors)."""

from dataclasses import dataclass
from typing import Final

from meshsim.api.networking import OutlierDetection, seconds

_MAX_EJECTION_S: Final = 300.0
_GATEWAY_ERRORS: Final = (502, 503, 504)


@dataclass(frozen=True, slots=True)
class OutlierPolicy:
    """When hosts of a cluster are ejected; a threshold of 0 is switched off."""

    consecutive_5xx: int = 5
    consecutive_gateway: int = 0
    consecutive_local: int = 5
    splits_local_errors: bool = False
    interval_s: float = 10.0
    base_ejection_s: float = 30.0
    max_ejection_percent: int = 10
    min_health_percent: int = 0
    error_statuses: frozenset[int] = frozenset()
    """What counts as an error instead of every 5xx."""

    def may_eject(self, ejected: int, hosts: int) -> bool:
        """Whether one more host may be out: at most that share of all, rounded down."""
        return 100 * (ejected + 1) <= self.max_ejection_percent * hosts

    def is_panic(self, healthy: int, hosts: int) -> bool:
        """Whether so few hosts are left that requests go to all of them, ejected or not."""
        return 100 * healthy < self.min_health_percent * hosts


class HostRecord:
    """What is known of one host's errors and ejections."""

    __slots__ = ("ejected_at", "ejections", "gateway_errors", "local_errors", "server_errors")

    def __init__(self) -> None:
        self.server_errors = 0
        self.gateway_errors = 0
        self.local_errors = 0
        self.ejected_at: float | None = None
        self.ejections = 0

    @property
    def is_ejected(self) -> bool:
        """It is out now."""
        return self.ejected_at is not None

    def on_response(self, status: int, policy: OutlierPolicy) -> bool:
        """Count a response; whether the host has had enough errors to be ejected."""
        if policy.splits_local_errors:
            self.local_errors = 0
        if policy.error_statuses:
            status = 500 if status in policy.error_statuses else 200
        return self._count(status, policy)

    def _count(self, status: int, policy: OutlierPolicy) -> bool:
        if status < 500:
            self.server_errors = self.gateway_errors = 0
            return False
        self.server_errors += 1
        self.gateway_errors = self.gateway_errors + 1 if status in _GATEWAY_ERRORS else 0
        return self._reached(policy)

    def on_failure(self, policy: OutlierPolicy) -> bool:
        """Count an attempt without a response: a refused connection, a reset, a timeout."""
        if policy.splits_local_errors:
            self.local_errors += 1
            if policy.consecutive_local and self.local_errors >= policy.consecutive_local:
                self.local_errors = 0
                return True
            return False
        return self._count(503, policy)

    def _reached(self, policy: OutlierPolicy) -> bool:
        reached = False
        if policy.consecutive_5xx and self.server_errors >= policy.consecutive_5xx:
            self.server_errors = 0
            reached = True
        if policy.consecutive_gateway and self.gateway_errors >= policy.consecutive_gateway:
            self.gateway_errors = 0
            reached = True
        return reached

    def eject(self, now: float) -> None:
        """Take the host out."""
        self.ejected_at = now
        self.ejections += 1

    def look(self, now: float, policy: OutlierPolicy) -> bool:
        """What happens at each interval; whether the host came back."""
        if self.ejected_at is None:
            self.ejections = max(0, self.ejections - 1)
            return False
        if now - self.ejected_at < min(policy.base_ejection_s * self.ejections, _MAX_EJECTION_S):
            return False
        self.ejected_at = None
        self.server_errors = self.gateway_errors = self.local_errors = 0
        return True


def compile_outlier(detection: OutlierDetection | None) -> OutlierPolicy | None:
    """The policy of a cluster; None when hosts are never ejected."""
    if detection is None:
        return None
    five, gateway, local = (
        detection.consecutive_5xx_errors,
        detection.consecutive_gateway_errors,
        detection.consecutive_local_origin_failures,
    )
    return OutlierPolicy(
        consecutive_5xx=5 if five is None else five,
        consecutive_gateway=gateway or 0,
        consecutive_local=local or 5,
        splits_local_errors=detection.split_external_local_origin_errors,
        interval_s=seconds(detection.interval) or 10.0,
        base_ejection_s=seconds(detection.base_ejection_time) or 30.0,
        max_ejection_percent=detection.max_ejection_percent or 10,
        min_health_percent=detection.min_health_percent,
        error_statuses=frozenset(detection.outlier_detection_http_error_codes),
    )
