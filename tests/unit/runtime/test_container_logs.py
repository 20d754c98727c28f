"""Unit tests of what of a log is asked for, and how its lines are written."""

import pytest

from meshsim.runtime.containers.log import Line
from meshsim.runtime.served.container_logs import LogOptions, options_of, written


def test_a_query_says_what_is_wanted() -> None:
    query = {
        "follow": "true",
        "previous": "1",
        "timestamps": "false",
        "tailLines": "10",
        "limitBytes": "99",
        "sinceSeconds": "5",
        "sinceTime": "2026-01-01T00:00:00Z",
    }
    assert options_of(query) == LogOptions(True, True, False, 10, 99, 5, 1_767_225_600.0)
    assert options_of({}) == LogOptions()


@pytest.mark.parametrize("name", ["tailLines", "limitBytes", "sinceSeconds"])
@pytest.mark.parametrize("text", ["-1", "ten", "", "²"])
def test_a_count_that_is_no_number_is_named(name: str, text: str) -> None:
    with pytest.raises(ValueError, match=f'{name}: "{text}" is no number'):
        options_of({name: text})


@pytest.mark.parametrize("text", ["yesterday", "", "1767225600"])
def test_an_instant_that_is_none_is_named(text: str) -> None:
    with pytest.raises(ValueError, match=f'sinceTime: "{text}" is no RFC 3339 instant'):
        options_of({"sinceTime": text})


def test_a_line_is_written_with_its_instant_when_that_is_wanted() -> None:
    line = Line(1_767_225_600.25, b"up")
    assert written(line, with_stamp=False) == b"up\n"
    assert written(line, with_stamp=True) == b"2026-01-01T00:00:00.250000Z up\n"
