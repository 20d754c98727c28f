"""The load tests' own judge of a split."""

import json
from pathlib import Path

import pytest

from loadtest.check import check, main, p_value


def test_the_p_value_is_twice_the_smaller_tail() -> None:
    # Tossing at most 1 head in 10: 11/1024, and the same for 9 or more.
    assert p_value(1, 10, 0.5) == pytest.approx(22 / 1024)
    assert p_value(9, 10, 0.5) == pytest.approx(22 / 1024)


def test_the_likeliest_count_has_a_p_value_of_one() -> None:
    assert p_value(5, 10, 0.5) == 1.0


def test_a_version_without_weight_may_not_answer_once() -> None:
    assert p_value(0, 1000, 0.0) == 1.0
    assert p_value(1, 1000, 0.0) == 0.0
    assert p_value(999, 1000, 1.0) == 0.0


def test_weights_are_relative_and_an_unknown_version_has_none() -> None:
    findings = {finding.version: finding for finding in check({"v1": 500, "v2": 500, "v3": 1}, {"v1": 1, "v2": 1})}
    assert findings["v1"].share == 0.5
    assert findings["v1"].p > 0.9
    assert findings["v3"].p == 0.0


def _report(path: Path, **requests: int) -> str:
    rows = [{"version": version, "requests": count} for version, count in requests.items()]
    path.write_text(json.dumps({"rows": rows}))
    return str(path)


def test_the_configured_split_passes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([_report(tmp_path / "run.json", v1=660, v2=340), "v1=66", "v2=34"]) == 0
    assert "v2: 340 of 1000 requests, 34.00%, configured 34.00%, p = 1" in capsys.readouterr().out


def test_another_split_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([_report(tmp_path / "run.json", v1=500, v2=500), "v1=66", "v2=34"]) == 1
    assert "not the configured split" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["absent.json", "v1=1"], "absent.json"),
        (["run.json", "v1"], '"v1" is not VERSION=WEIGHT'),
        (["run.json", "v1=0"], "one above"),
        (["other.json", "v1=1"], "not a report"),
    ],
)
def test_what_cannot_be_answered_is_one_sentence(
    arguments: list[str], sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _report(tmp_path / "run.json", v1=1)
    (tmp_path / "other.json").write_text("[]")
    assert main([str(tmp_path / arguments[0]), *arguments[1:]]) == 2
    assert sentence in capsys.readouterr().err
