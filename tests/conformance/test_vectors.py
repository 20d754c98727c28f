"""Our functions give the recorded answers of Argo's own."""

import io
import json
from pathlib import Path

import pytest

from tests.conformance.vectors import RECORDINGS, compare_file, main
from tests.kits.shared import shared


@pytest.mark.parametrize("name", RECORDINGS)
def test_every_recorded_answer_is_given_again(name: str) -> None:
    out = io.StringIO()

    _, cases, unexplained = compare_file(shared(f"vectors/argo/{name}.json"), out)

    assert cases > 0
    assert unexplained == 0, out.getvalue()


def test_a_case_that_is_not_understood_has_failed_and_counts(tmp_path: Path) -> None:
    file = tmp_path / "more.json"
    cases = [
        {
            "function": "MaxSurge",
            "in": {"rollout": {"spec": {"strategy": {"canary": {"maxSurge": 2}}}}},
            "out": {"value": 2},
        },
        {"function": "MaxSlide", "in": {}, "out": {"value": 1}},
    ]
    file.write_text(json.dumps({"header": {"title": "Canary replica-count and weight cases"}, "cases": cases}))
    out = io.StringIO()

    exit_code = main([str(file)], out)

    assert exit_code == 1
    assert out.getvalue() == "MaxSlide#1: KeyError: 'MaxSlide'\nmore.json: 1 of 2\n1 of 2\n"


def test_a_file_of_another_form_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "other.json"
    file.write_text('{"header": {"title": "Something else"}, "cases": []}')

    with pytest.raises(ValueError, match="'Something else' are not understood"):
        main([str(file)], io.StringIO())
