"""What is kept of the scrapes, and for how long."""

import pytest

from meshsim.telemetry.promql.exposed import labels_of
from meshsim.telemetry.promql.history import History
from meshsim.telemetry.promql.http_api import answer_query, answer_query_range, answering, ended
from tests.kits.scrapes import take


def value(history: History, query: str, at_s: float) -> list[str]:
    answer = answer_query(history, {"query": query}, at_s)
    assert answer.status == 200, answer.body
    return [series["value"][1] for series in answer.body["data"]["result"]]


def counting(scrapes: int, kept: int = 900) -> History:
    history = History(kept)
    for number in range(scrapes):
        take(history, f'# TYPE n counter\nn{{a="b"}} {number}\n', number * 1000)
    return history


def test_a_series_that_a_scrape_lacks_is_gone_at_once() -> None:
    history = counting(5)
    take(history, "other 1\n", 5000)

    assert value(history, "n", 4) == ["4"]
    assert value(history, "n", 5) == []
    assert value(history, "count_over_time(n[10s])", 5) == ["5"]


def test_a_series_that_comes_back_has_a_gap() -> None:
    history = counting(3)
    take(history, "other 1\n", 3000)
    take(history, 'n{a="b"} 7\n', 4000)

    assert value(history, "count_over_time(n[10s])", 4) == ["4"]
    assert value(history, "n", 4) == ["7"]


def test_old_scrapes_are_forgotten_and_dead_series_with_them() -> None:
    history = History(100)
    take(history, "old 1\n", 0)
    for number in range(1, 400):
        take(history, f"n {number}\n", number * 1000)

    assert 100 <= len(history) < 164
    assert value(history, "n", 399) == ["399"]
    assert value(history, "increase(n[50s])", 399) == ["50"]
    assert value(history, 'count({__name__=~"old|n"})', 399) == ["1"]


def test_nothing_is_known_of_a_time_long_after_the_last_scrape() -> None:
    history = counting(5)

    assert value(history, "n", 4 + 299) == ["4"]
    assert value(history, "n", 4 + 301) == []


def test_labels_are_read_as_they_were_written() -> None:
    line = 'n{path="a\\"b\\\\c\\nd",empty="",le="+Inf"}'

    assert labels_of(line) == {"__name__": "n", "path": 'a"b\\c\nd', "le": "+Inf"}
    assert labels_of("n") == {"__name__": "n"}


@pytest.mark.parametrize(
    ("query", "complaint"),
    [
        ("sum(n", "parse error: unexpected end of input"),
        ("rate(n)", 'parse error: expected type range vector in call to function "rate", got instant vector'),
        ("holt_winters(n[1m], 0.5, 0.5)", 'parse error: unknown function with name "holt_winters"'),
        ("n[5m:1m]", "parse error: unexpected"),
        (r'n{a=~"a\.b"}', r"parse error: unknown escape sequence \."),
        ("{}", "parse error: vector selector must contain at least one non-empty matcher"),
        ("(" * 2000 + "1" + ")" * 2000, "too deeply"),
        ("n" * 30_000, "the query is too long"),
    ],
)
def test_what_is_not_understood_is_bad_data(query: str, complaint: str) -> None:
    answer = answer_query(counting(3), {"query": query}, 2)

    assert (answer.status, answer.body["errorType"]) == (400, "bad_data")
    assert complaint in answer.body["error"]


@pytest.mark.parametrize(
    ("parameters", "complaint"),
    [
        ({"start": "soon", "end": "1", "step": "1"}, 'invalid parameter "start"'),
        ({"start": "2", "end": "1", "step": "1"}, "end timestamp must not be before start time"),
        ({"start": "0", "end": "1", "step": "0"}, 'invalid parameter "step"'),
        ({"start": "0", "end": "1", "step": "x"}, 'invalid parameter "step"'),
        ({"start": "0", "end": "100000", "step": "1"}, "exceeded maximum resolution"),
        ({"start": "0", "end": "nan", "step": "1"}, 'invalid parameter "end"'),
    ],
)
def test_a_range_that_makes_no_sense_is_bad_data(parameters: dict[str, str], complaint: str) -> None:
    answer = answer_query_range(counting(3), {"query": "n", **parameters})

    assert answer.status == 400
    assert complaint in answer.body["error"]


def test_times_may_be_written_as_dates() -> None:
    history = History(10)
    take(history, "n 3\n", 1_760_000_000_000)

    answer = answer_query(history, {"query": "n", "time": "2025-10-09T08:53:20Z"}, 0)

    assert answer.body["data"]["result"][0]["value"] == [1_760_000_000.0, "3"]


def test_numbers_are_written_without_exponents() -> None:
    history = counting(2)

    assert value(history, "vector(1e-7)", 1) == ["0.0000001"]
    assert value(history, "vector(1e22)", 1) == ["10000000000000000000000"]
    assert value(history, "vector(-1) / 0", 1) == ["-Inf"]


def test_an_answer_is_made_in_pieces_that_leave_time_for_the_traffic() -> None:
    history = History(900)
    for number in range(3):
        take(history, "".join(f'n{{a="{name}"}} {number}\n' for name in range(50)), number * 1000)

    pieces = sum(1 for _ in answering(history, {"query": "sum(rate(n[1m]))"}, 2))

    assert pieces > 50


@pytest.mark.parametrize("query", ["n[15m]", 'label_replace(n, "x", "' + "$1" * 2000 + '", "a", "(.*)")'])
def test_what_would_fill_the_memory_is_an_error(query: str) -> None:
    history = History(900)
    series = [history.series({"__name__": "n", "a": f"long-{name}"}) for name in range(120)]
    for number in range(900):
        history.begin(number * 1000)
        for one in series:
            history.add(one, 1.0)

    assert answer_query(history, {"query": query}, 899).body["errorType"] == "execution"


def test_scrapes_that_are_dropped_while_a_query_runs_do_not_shift_its_windows() -> None:
    history = History(10)
    for number in range(74):
        take(history, "".join(f'n{{a="{name}"}} {number}\n' for name in "abc"), number * 1000)
    steps = answering(history, {"query": "last_over_time(n[5s])"}, 73)
    for _ in range(4):
        next(steps)

    take(history, 'n{a="a"} 74\n', 74_000)
    answer = ended(steps)

    assert [series["value"][1] for series in answer.body["data"]["result"]] == ["73", "73", "73"]
