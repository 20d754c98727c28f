"""What dashboards fill their lists from."""

from typing import Any

import pytest

from meshsim.telemetry.promql.history import History
from meshsim.telemetry.promql.http_api import Answering, ended
from meshsim.telemetry.promql.series_api import (
    answer_build,
    answer_metadata,
    answering_label_values,
    answering_labels,
    answering_series,
)
from tests.kits.scrapes import take


@pytest.fixture
def history() -> History:
    kept = History(900)
    take(kept, '# HELP n counts things\n# TYPE n counter\nn{version="v1"} 1\n# TYPE g gauge\ng{pod="a"} 1\n', 1000)
    take(kept, 'n{version="v1"} 1\nn{version="v2"} 1\n', 2000)
    take(kept, 'n{version="v2"} 1\n', 3000)
    return kept


def data(steps: Answering) -> Any:
    answer = ended(steps)
    assert answer.status == 200, answer.body
    return answer.body["data"]


def test_labels_are_named_once_and_in_order(history: History) -> None:
    assert data(answering_labels(history, {}, [])) == ["__name__", "pod", "version"]
    assert data(answering_labels(history, {}, ["n", 'n{version="v1"}'])) == ["__name__", "version"]


def test_values_are_those_of_the_series_that_were_there(history: History) -> None:
    assert data(answering_label_values(history, "__name__", {}, [])) == ["g", "n"]
    assert data(answering_label_values(history, "version", {}, [])) == ["v1", "v2"]
    assert data(answering_label_values(history, "version", {"end": "1.5"}, ["n"])) == ["v1"]
    assert data(answering_label_values(history, "version", {"start": "2.5"}, [])) == ["v2"]
    assert data(answering_label_values(history, "nothing", {}, [])) == []


def test_a_series_that_two_selectors_choose_is_told_once(history: History) -> None:
    found = data(answering_series(history, {}, ['{version=~".+"}', "n", "g"]))

    assert found == [
        {"__name__": "g", "pod": "a"},
        {"__name__": "n", "version": "v1"},
        {"__name__": "n", "version": "v2"},
    ]


def test_no_more_is_told_than_wanted_and_that_is_said(history: History) -> None:
    answer = ended(answering_label_values(history, "version", {"limit": "1"}, []))

    assert (answer.body["data"], answer.body["warnings"]) == (["v1"], ["results truncated due to limit"])


@pytest.mark.parametrize("match", ["rate(n[1m])", "n[1m]", "n offset 1m", "1", "", "{", '{a=~"("}'])
def test_what_selects_no_series_is_refused(history: History, match: str) -> None:
    for steps in (
        answering_labels(history, {}, [match]),
        answering_label_values(history, "version", {}, [match]),
        answering_series(history, {}, [match]),
    ):
        answer = ended(steps)
        assert (answer.status, answer.body["errorType"]) == (400, "bad_data")


@pytest.mark.parametrize(
    ("parameters", "complaint"),
    [
        ({"start": "soon"}, 'invalid parameter "start": cannot parse "soon" to a valid timestamp'),
        ({"limit": "few"}, "limit must be a number"),
    ],
)
def test_parameters_that_make_no_sense_are_refused(
    history: History, parameters: dict[str, str], complaint: str
) -> None:
    assert ended(answering_labels(history, parameters, [])).body["error"] == complaint


def test_metadata_say_what_a_metric_is(history: History) -> None:
    counter = [{"type": "counter", "help": "counts things", "unit": ""}]
    gauge = [{"type": "gauge", "help": "", "unit": ""}]

    assert answer_metadata(history, {}).body["data"] == {"n": counter, "g": gauge}
    assert answer_metadata(history, {"metric": "g"}).body["data"] == {"g": gauge}
    assert answer_metadata(history, {"limit": "1"}).body["data"] == {"n": counter}
    assert answer_metadata(history, {"limit": "few"}).status == 400


def test_the_version_is_that_of_the_rules_for_queries() -> None:
    assert answer_build().body["data"]["version"].startswith("2.")
