"""A stacked area in a few lines of text: how the traffic moves from one version to the other. Pure."""

from collections.abc import Sequence
from itertools import groupby
from operator import itemgetter
from typing import Final

from rich.text import Text

from meshsim.cli.live.traffic import Slice

_EIGHTHS: Final = " ▁▂▃▄▅▆▇█"
_AXIS_WIDTH: Final = 6
_DIM: Final = "grey62"
_FAILED_COLOURS: Final = ("red", "dark_red")


def share_chart(
    slices: Sequence[Slice], version: str, *, width: int, height: int, colours: tuple[str, str] | None, marked: float
) -> Text:
    """The share of a version, one column a slice, the newest at the right edge.

    The version's area stands on the ground in the second colour, all others' hangs from the top in the first;
    without colours only the version's is solid. A slice with a failed request is red. Below stands what changed
    when, and `marked` is a share (0 to 1) to point at from the right.
    """
    columns = slices[-(width - 2 * _AXIS_WIDTH) :]
    blank = width - 2 * _AXIS_WIDTH - len(columns)
    chart = Text(no_wrap=True)
    mark_row = min(height - 1, int((1 - marked) * height))
    for row in range(height):
        chart.append(_axis(row, height), _DIM)
        chart.append(" " * blank)
        cells = [_cell(one, version, row, height, colours) for one in columns]
        for style, run in groupby(cells, key=itemgetter(1)):
            chart.append("".join(character for character, _ in run), style)
        chart.append(f" ◀{marked:4.0%}" if row == mark_row else "", "bold")
        chart.append("\n")
    chart.append(" " * (_AXIS_WIDTH + blank) + _marks(columns), _DIM)
    return chart


def _marks(columns: Sequence[Slice]) -> str:
    """What changed, each below its column as far as there is room."""
    line = ""
    for index, one in enumerate(columns):
        if one.mark and len(line) <= index:
            line = f"{line:<{index}}╵{one.mark} "
    return line


def _axis(row: int, height: int) -> str:
    label = {0: "100%", height // 2: "50%", height - 1: "0%"}.get(row, "")
    return f"{label:>4} ▕"


def _cell(one: Slice, version: str, row: int, height: int, colours: tuple[str, str] | None) -> tuple[str, str]:
    total = one.by_version.total()
    if not total:
        return " ", ""
    eighths = round(one.by_version[version] / total * height * 8) - (height - 1 - row) * 8
    if colours is None:
        return ("x" if one.failed else "░") if eighths <= 0 else _EIGHTHS[min(eighths, 8)], ""
    others, ours = _FAILED_COLOURS if one.failed else colours
    # Where a cell is all of one colour its background has it: glyphs leave gaps between the lines.
    if eighths >= 8:
        return " ", f"on {ours}"
    return _EIGHTHS[max(eighths, 0)], f"{ours} on {others}"
