"""Instants as Kubernetes stores them: RFC 3339 in UTC, whole seconds.

Inside the program an instant is a float of Unix seconds.
"""

from datetime import UTC, datetime


def to_rfc3339(instant: float) -> str:
    """`2026-01-02T03:04:05Z`; fractions are cut, as metav1.Time does."""
    return datetime.fromtimestamp(int(instant // 1), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def to_rfc3339_micro(instant: float) -> str:
    """`2026-01-02T03:04:05.000000Z`, the form of metav1.MicroTime."""
    return datetime.fromtimestamp(instant, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def from_rfc3339(text: str) -> float:
    """Unix seconds of an RFC 3339 instant. Raises ValueError."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f'"{text}" names no time zone')
    return moment.timestamp()
