"""Durations as people write them: Go's forms in, Kubernetes' short ages out."""

import re
from typing import Final

_UNIT_S: Final = {
    "ns": 1e-9,
    "us": 1e-6,
    "µs": 1e-6,
    "μs": 1e-6,
    "ms": 1e-3,
    "s": 1.0,
    "m": 60.0,
    "h": 3600.0,
}
_PART: Final = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h)")
_BARE: Final = re.compile(r"[0-9]+(?:\.[0-9]+)?")
_MAX_S: Final = 2**63 / 1e9
"""Go counts nanoseconds in 64 bits: 292 years."""


class DurationError(ValueError):
    """The text is no duration."""


def parse_go_duration(text: str) -> float:
    """Seconds in a Go duration: `1h30m`, `500ms`, `-2s`, `0`.

    Raises DurationError. The grammar and the range are those of Go's time.ParseDuration: a number without a
    unit is an error, `0` excepted.
    """
    sign, rest = (-1.0, text[1:]) if text.startswith("-") else (1.0, text.removeprefix("+"))
    if rest == "0":
        return 0.0
    total_s, at = 0.0, 0
    while at < len(rest):
        part = _PART.match(rest, at)
        if part is None:
            break
        total_s += float(part[1]) * _UNIT_S[part[2]]
        at = part.end()
    if at == 0 or at != len(rest) or total_s >= _MAX_S:
        raise DurationError(f'"{text}" is not a duration: write 90s, 1m30s or 500ms')
    return sign * total_s


def parse_duration(text: str) -> float:
    """Seconds in a duration given on the command line: a bare number is seconds, else Go's forms.

    Raises DurationError, also for a negative duration.
    """
    text = text.strip()
    seconds = float(text) if _BARE.fullmatch(text) else parse_go_duration(text)
    if seconds < 0:
        raise DurationError(f'"{text}" is negative')
    if seconds >= _MAX_S:
        raise DurationError(f'"{text}" is too long')
    return seconds


def human_duration(seconds: float) -> str:
    """The age of a thing as kubectl prints it: `45s`, `2m30s`, `3h25m`, `7d` (apimachinery duration.HumanDuration)."""
    whole_s = int(seconds)
    if whole_s < -1:
        return "<invalid>"
    if whole_s < 0:
        return "0s"
    minutes, hours, days = whole_s // 60, whole_s // 3600, whole_s // 86400
    text = f"{days // 365}y"
    if whole_s < 120:
        text = f"{whole_s}s"
    elif minutes < 10:
        text = _two(minutes, "m", whole_s % 60, "s")
    elif minutes < 180:
        text = f"{minutes}m"
    elif hours < 8:
        text = _two(hours, "h", minutes % 60, "m")
    elif hours < 48:
        text = f"{hours}h"
    elif days < 8:
        text = _two(days, "d", hours % 24, "h")
    elif days < 365 * 2:
        text = f"{days}d"
    elif days < 365 * 8:
        text = _two(days // 365, "y", days % 365, "d")
    return text


def _two(count: int, unit: str, rest: int, rest_unit: str) -> str:
    return f"{count}{unit}{rest}{rest_unit}" if rest else f"{count}{unit}"
