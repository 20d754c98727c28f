"""The drawn scene: what it says, and that it fits."""

from collections import Counter
from dataclasses import replace
from io import StringIO

import pytest
from rich.cells import cell_len
from rich.console import Console

from meshsim.cli.live.chart import share_chart
from meshsim.cli.live.picture import Picture
from meshsim.cli.live.scene import Scene
from meshsim.cli.live.traffic import Slice
from tests.kits.scenes import scene


def _drawn(what: Scene, width: int = 110, height: int = 42) -> list[str]:
    console = Console(file=StringIO(), width=width, height=height, force_terminal=True, color_system=None)
    with console.capture() as capture:
        console.print(Picture(what), height=height)
    return capture.get().splitlines()


@pytest.mark.parametrize(("width", "height"), [(80, 24), (95, 30), (96, 35), (96, 36), (110, 42), (200, 60)])
def test_the_picture_fits_the_terminal(width: int, height: int) -> None:
    lines = _drawn(scene(), width, height)
    while lines and not lines[-1].strip():
        lines.pop()
    assert len(lines) <= height
    assert max(map(cell_len, lines)) <= width
    assert "300 requests, 0 failed" in lines[-1]


def test_a_tall_terminal_shows_each_pod_and_a_short_one_counts_them() -> None:
    assert any("my-app-6c9f8d7b5d-00002 ✔ Running 1/1" in line for line in _drawn(scene()))
    short = _drawn(scene(), 80, 24)
    assert any("■ ■ ■  3 pods" in line for line in short)


def test_the_current_step_counts_down() -> None:
    [line] = [line for line in _drawn(scene()) if "▶" in line]
    assert "▶ 5 pause 60s" in line
    assert "25s left" in line


def test_each_version_has_its_weight_share_band_and_rate() -> None:
    [line] = [line for line in _drawn(scene()) if "● v2 canary" in line]
    assert line.split()[3:-1] == [
        "canary",
        "34%",
        "34.0%",
        "22.0–46.0%",
        "100",
        "34",
        "0",
        "1.2ms",
        "3.4ms",
        "34m",
        "3/3",
    ]


def test_while_the_weights_change_no_share_is_judged() -> None:
    moving = tuple(replace(state, observation=None) for state in scene().versions)
    assert sum("changing" in line for line in _drawn(scene(versions=moving))) == 2


def test_before_the_mesh_is_up_the_title_stands_alone() -> None:
    lines = _drawn(scene(rollout=None, title="starting the API server"))
    assert any("starting the API server" in line for line in lines)
    assert not any("traffic" in line for line in lines)


def _chart(*slices: Slice, colours: tuple[str, str] | None = None) -> list[str]:
    text = share_chart(slices, "v2", width=20, height=4, colours=colours, marked=0.5)
    return [str(line) for line in text.split("\n")]


@pytest.mark.parametrize(("share", "column"), [(0, "░░░░"), (50, "░░██"), (87, "▄███"), (13, "░░░▄"), (100, "████")])
def test_a_column_of_the_chart_is_filled_from_the_ground_by_the_share(share: int, column: str) -> None:
    rows = _chart(Slice(Counter(v1=100 - share, v2=share)))
    assert "".join(row[13] for row in rows[:4]) == column


def test_with_colours_a_cell_is_a_part_of_one_over_the_other() -> None:
    text = share_chart([Slice(Counter(v1=87, v2=13))], "v2", width=20, height=4, colours=("blue", "yellow"), marked=0.5)
    styles = {str(span.style) for span in text.spans}
    assert "yellow on blue" in styles


def test_a_slice_with_a_failure_is_told_from_the_others() -> None:
    assert _chart(Slice(Counter(v1=1), failed=1))[0][13] == "x"


def test_a_slice_without_requests_is_blank() -> None:
    assert _chart(Slice(Counter(v1=1)), Slice())[0][12:14] == "░ "


def test_marks_stand_below_their_columns_and_never_on_each_other() -> None:
    slices = [Slice(Counter(v1=1), 0, mark) for mark in ("0%", "", "34%", "", "", "")]
    assert _chart(*slices)[-1].strip() == "╵0%"
    slices = [Slice(Counter(v1=1), 0, mark) for mark in ("0%", "", "", "", "34%", "")]
    assert _chart(*slices)[-1].strip() == "╵0% ╵34%"
