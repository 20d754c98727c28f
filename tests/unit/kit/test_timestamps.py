import pytest

from meshsim.kit.timestamps import from_rfc3339, to_rfc3339, to_rfc3339_micro


def test_a_stored_instant_is_utc_and_cut_to_whole_seconds() -> None:
    assert to_rfc3339(1_767_225_600.999) == "2026-01-01T00:00:00Z"
    assert to_rfc3339(-0.5) == "1969-12-31T23:59:59Z"


def test_a_micro_time_keeps_six_places() -> None:
    assert to_rfc3339_micro(1_767_225_600.25) == "2026-01-01T00:00:00.250000Z"


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2026-01-01T00:00:00Z", 1_767_225_600.0),
        ("2026-01-01T01:30:00+01:30", 1_767_225_600.0),
        ("2026-01-01T00:00:00.5Z", 1_767_225_600.5),
        ("2026-01-01T00:00:00.123456789Z", 1_767_225_600.123456),
    ],
)
def test_any_rfc_3339_instant_is_read(text: str, instant: float) -> None:
    assert from_rfc3339(text) == instant


@pytest.mark.parametrize("text", ["", "now", "2026-01-01T00:00:00", "2026-13-01T00:00:00Z", "1767225600"])
def test_what_is_no_instant_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        from_rfc3339(text)
