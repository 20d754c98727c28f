"""Colours, icons and column alignment of Argo's plugin. Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

ICONS: Final = {
    "Pending": "◷",
    "Progressing": "◌",
    "Running": "◌",
    "Error": "⚠",
    "InvalidSpec": "⚠",
    "Unknown": "?",
    "Inconclusive": "?",
    "Healthy": "✔",
    "Successful": "✔",
    "Degraded": "✖",
    "Failed": "✖",
    "ReplicaFailure": "✖",
    "Paused": "॥",
    "ScaledDown": "•",
}
"""The icon of a phase; one blank for a phase that has none."""

_YELLOW, _RED, _GREEN, _BLUE, _PLAIN = 33, 31, 32, 94, 0
_COLOURS: Final = {
    "◷": _YELLOW, "◌": _BLUE, "⚠": _RED, "?": _YELLOW, "✔": _GREEN, "✖": _RED,
    "canary": _YELLOW, "stable": _GREEN, "active": _GREEN, "preview": _BLUE, "ping": _BLUE, "pong": _BLUE,
    "Pending": _BLUE, "Running": _BLUE,
}  # fmt: skip
_ESCAPE: Final = re.compile(r"\x1b\[[0-9;]*m")
_GAP: Final = 2


@dataclass(frozen=True, slots=True)
class Paint:
    """Wraps text in the colour of a word, or leaves it alone.

    What has no colour is wrapped in the plain one, as the plugin does.
    """

    coloured: bool

    def __call__(self, text: str, word: str | None = None) -> str:
        if not self.coloured:
            return text
        return f"\x1b[{_COLOURS.get(text if word is None else word, _PLAIN)}m{text}\x1b[0m"


def icon(phase: str) -> str:
    """The icon of a phase."""
    return ICONS.get(phase, " ")


def columns(rows: Sequence[Sequence[str]]) -> str:
    """Rows with their columns aligned two blanks apart, as Go's tabwriter does: the last cell is not padded."""
    if not rows:
        return ""
    widths = [max(map(_width, cells)) for cells in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        padded = [cell + " " * (width + _GAP - _width(cell)) for cell, width in zip(row[:-1], widths, strict=False)]
        lines.append("".join(padded) + row[-1] + "\n")
    return "".join(lines)


def _width(cell: str) -> int:
    return len(_ESCAPE.sub("", cell))
