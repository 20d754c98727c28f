"""Dates in the layouts of Go: the reference moment is Mon Jan 2 15:04:05 MST 2006."""

import re
from datetime import UTC, datetime, tzinfo
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from controller.analysis.conditions.errors import ConditionError

_LAYOUTS: Final = (
    "2006-01-02",
    "15:04:05",
    "2006-01-02 15:04:05",
    "2006-01-02T15:04:05Z07:00",
    "02 Jan 06 15:04 MST",
    "Monday, 02-Jan-06 15:04:05 MST",
    "Mon, 02 Jan 2006 15:04:05 MST",
)
_DIRECTIVES: Final = {
    "2006": "%Y", "06": "%y", "January": "%B", "Jan": "%b", "01": "%m", "Monday": "%A", "Mon": "%a", "02": "%d",
    "15": "%H", "03": "%I", "PM": "%p", "04": "%M", "05": "%S", "MST": "%Z", "Z07:00": "%z", "-07:00": "%z",
    "-0700": "%z", "%": "%%",
}  # fmt: skip
_DIRECTIVE: Final = re.compile("|".join(map(re.escape, sorted(_DIRECTIVES, key=len, reverse=True))))


def parse_date(text: str, layout: str = "", zone: str = "UTC") -> datetime:
    """The instant that a date names in that layout, or in any of the usual ones. Raises ConditionError."""
    try:
        place = ZoneInfo(zone) if zone != "UTC" else UTC
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ConditionError(f"unknown time zone {zone}") from None
    for known in (layout,) if layout else _LAYOUTS:
        instant = _parsed(text, known, place)
        if instant is not None:
            return instant
    raise ConditionError(f'parsing time "{text}" as "{layout}": cannot parse' if layout else f"invalid date {text}")


def _parsed(text: str, layout: str, zone: tzinfo) -> datetime | None:
    try:
        instant = datetime.strptime(text, _DIRECTIVE.sub(lambda found: _DIRECTIVES[found[0]], layout))  # noqa: DTZ007
    except ValueError:
        return None
    return instant.replace(tzinfo=zone) if instant.tzinfo is None else instant
