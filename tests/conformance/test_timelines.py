"""Our controller does what the real one did, reconcile for reconcile.

Forty recorded timelines, and random ones: made-up specs and things that people do to them, played to the real
controller (Argo Rollouts 1.10, its own fake clients, a clock that a test advances) as the forty were.
"""

import json
import lzma
from pathlib import Path
from typing import Any, Final

import pytest

from tests.conformance.replay import Replay
from tests.conformance.traces import main


def _recorded(file: str) -> list[dict[str, Any]]:
    with lzma.open(Path(__file__).with_name(file), "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


_RECORDINGS: Final = _recorded("timelines.jsonl.xz")


@pytest.mark.parametrize(
    "recording",
    [*_RECORDINGS, *_recorded("random_timelines.jsonl.xz")],
    ids=lambda recording: recording["name"],
)
@pytest.mark.asyncio
async def test_a_timeline_is_the_recorded_one_entry_for_entry(recording: dict[str, Any]) -> None:
    timeline = await Replay(recording).run()

    assert timeline == recording["timeline"]


def test_the_runner_counts_equal_timelines_and_shows_the_first_difference(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    short = min(_RECORDINGS, key=lambda recording: len(recording["timeline"]))
    other = json.loads(json.dumps(short)) | {"name": "other"}
    other["timeline"][3]["status"]["phase"] = "Unheard-of"
    for recording in (short, other):
        (tmp_path / f"{recording['name']}.json").write_text(json.dumps(recording))

    exit_code = main([str(tmp_path)])

    printed = capsys.readouterr().out
    entries = len(short["timeline"])
    assert exit_code == 1
    assert f"{short['name']}: {entries} / {entries}\n" in printed
    assert f"other: {entries - 1} / {entries}\n  entry 3 (t=" in printed
    assert 'status.phase: recorded "Unheard-of"' in printed
    assert printed.endswith("1 of 2 timelines\n")
