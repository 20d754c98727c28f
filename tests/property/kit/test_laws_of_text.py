from contextlib import suppress

from hypothesis import given
from hypothesis import strategies as st

from meshsim.kit.durations import DurationError, human_duration, parse_duration, parse_go_duration
from meshsim.kit.timestamps import from_rfc3339, to_rfc3339, to_rfc3339_micro

instants = st.floats(min_value=0, max_value=4e9)


@given(st.integers(0, 10**6), st.integers(0, 59), st.integers(0, 59), st.integers(0, 999))
def test_a_go_duration_is_the_sum_of_its_parts(hours: int, minutes: int, seconds: int, millis: int) -> None:
    text = f"{hours}h{minutes}m{seconds}s{millis}ms"
    total_s = hours * 3600 + minutes * 60 + seconds + millis / 1000
    assert abs(parse_go_duration(text) - total_s) < 1e-6
    assert parse_go_duration("-" + text) == -parse_go_duration(text)


@given(st.text(alphabet="0123456789.hmsnuµ-+ e", max_size=12))
def test_text_is_a_duration_or_a_duration_error_and_never_another_failure(text: str) -> None:
    with suppress(DurationError):
        assert 0 <= parse_duration(text) < 2**63 / 1e9


@given(st.integers(0, 20 * 365 * 86400))
def test_an_age_is_short_and_never_older_than_it_is(seconds: int) -> None:
    text = human_duration(seconds)
    units = {"s": 1, "m": 60, "h": 3600, "d": 86400, "y": 365 * 86400}
    shown, number = 0, ""
    for letter in text:
        if letter.isdigit():
            number += letter
        else:
            shown, number = shown + int(number) * units[letter], ""
    assert len(text) <= 6
    assert 0.85 * seconds <= shown <= seconds


@given(instants)
def test_a_stored_instant_loses_less_than_a_second(instant: float) -> None:
    assert 0 <= instant - from_rfc3339(to_rfc3339(instant)) < 1
    assert abs(instant - from_rfc3339(to_rfc3339_micro(instant))) < 2e-6


@given(instants, instants)
def test_stored_instants_sort_as_text(one: float, other: float) -> None:
    earlier, later = sorted([one, other])
    assert to_rfc3339(earlier) <= to_rfc3339(later)
    assert to_rfc3339_micro(earlier) <= to_rfc3339_micro(later)
