"""The recording: one SVG that shows one frame after the other."""

import re
from pathlib import Path
from types import TracebackType
from typing import Self
from xml.etree import ElementTree

import pytest

from meshsim.cli.live.recording import Recorder
from meshsim.cli.live.scene import Scene, Stage
from meshsim.kit.errors import MeshsimError
from tests.kits.scenes import scene

_SVG = "{http://www.w3.org/2000/svg}"


class _Watched:
    """A screen that remembers what it was shown."""

    def __init__(self) -> None:
        self.shown: list[float] = []
        self.notes: list[str] = []

    def show(self, scene: Scene) -> None:
        self.shown.append(scene.elapsed_s)

    def note(self, elapsed_s: float, text: str) -> None:
        self.notes.append(text)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        pass


def _recorded(path: Path, *scenes: Scene) -> str:
    recorder = Recorder(_Watched())
    for one in scenes:
        recorder.show(one)
    recorder.save(path, "the end")
    return path.read_text()


def test_everything_is_shown_and_one_frame_a_second_is_kept(tmp_path: Path) -> None:
    screen = _Watched()
    recorder = Recorder(screen)
    for tenth in range(21):
        recorder.show(scene(elapsed_s=tenth / 10))
    recorder.note(1.0, "something happened")
    recorder.save(tmp_path / "demo.svg", "the end")
    assert (len(screen.shown), screen.notes) == (21, ["something happened"])
    assert (tmp_path / "demo.svg").read_text().count('<g class="frame') == 4


def test_the_recording_is_well_formed_and_says_what_was_shown(tmp_path: Path) -> None:
    svg = _recorded(tmp_path / "demo.svg", scene(elapsed_s=1.0), scene(elapsed_s=2.0, title="almost < done & over"))
    root = ElementTree.fromstring(svg)
    rows = {group.get("id"): "".join(group.itertext()) for group in root.iter(f"{_SVG}g") if group.get("id")}
    frames = [
        "".join(rows[use.get("href", "").removeprefix("#")] for use in group.iter(f"{_SVG}use"))
        for group in root.iter(f"{_SVG}g")
        if group.get("class", "").startswith("frame")
    ]
    assert len(frames) == 3
    assert "my-app-6c9f8d7b5d" in frames[0]
    assert "almost < done & over" in frames[1]
    assert "the end" in frames[2]


def test_one_frame_after_the_other_is_visible_from_the_first_moment_to_the_last(tmp_path: Path) -> None:
    svg = _recorded(tmp_path / "demo.svg", *(scene(elapsed_s=second) for second in (1.0, 2.0, 3.0)))
    times = [
        (float(begins), float(ends))
        for begins, ends in re.findall(r"([\d.]+)%\{visibility:visible\}([\d.]+)%\{visibility", svg)
    ]
    assert times[0][0] == 0
    assert times[-1][1] == 100
    assert [end for _, end in times[:-1]] == [begin for begin, _ in times[1:]]


def test_without_motion_a_moment_in_the_middle_of_the_release_is_shown(tmp_path: Path) -> None:
    svg = _recorded(
        tmp_path / "demo.svg",
        scene(elapsed_s=1.0, stage=Stage.BEFORE),
        scene(elapsed_s=2.0),
        scene(elapsed_s=3.0, stage=Stage.ENDED),
    )
    assert re.findall(r'<g class="(frame[^"]*)"', svg) == ["frame", "frame still", "frame", "frame"]


def test_a_place_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(MeshsimError, match="No such file or directory"):
        _recorded(tmp_path / "absent" / "demo.svg", scene())
