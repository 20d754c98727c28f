import pytest

from meshsim.kit.durations import DurationError, human_duration, parse_duration, parse_go_duration

MINUTE, HOUR, DAY, YEAR = 60, 3600, 86400, 365 * 86400


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0), ("-0", 0), ("+0", 0), ("5s", 5), ("-5s", -5), ("+5s", 5), ("1478s", 1478), ("5.0s", 5), ("5.6s", 5.6),
        ("5.s", 5), (".5s", 0.5), ("1.004s", 1.004), ("100.00100s", 100.001), ("10ns", 1e-8), ("11us", 1.1e-5),
        ("12µs", 1.2e-5), ("12μs", 1.2e-5), ("13ms", 0.013), ("15m", 900), ("16h", 57600), ("3h30m", 12600),
        ("10.5s4m", 250.5), ("-2m3.4s", -123.4), ("1h2m3s4ms5us6ns", 3723.004005006), ("39h9m14.425s", 140954.425),
        ("0.3333333333333333333h", 1200), ("2562047h47m16.854s", 9223372036.854),
    ],
)  # fmt: skip
def test_gos_forms_are_read(text: str, seconds: float) -> None:
    assert parse_go_duration(text) == pytest.approx(seconds, rel=1e-12)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "3",
        "-",
        "+",
        "s",
        ".",
        "-.",
        ".s",
        "+.s",
        "1d",
        "1S",
        "1 s",
        "1s ",
        "1h-2m",
        "--1s",
        "0x1s",
        "1e3s",
        "٣s",
        "1m2",
    ],
)
def test_what_go_refuses_is_refused(text: str) -> None:
    with pytest.raises(DurationError, match="is not a duration: write 90s, 1m30s or 500ms"):
        parse_go_duration(text)


@pytest.mark.parametrize("text", ["9223372036854775808ns", "3000000h", "9" * 400 + "s"])
def test_a_duration_longer_than_go_can_count_is_refused(text: str) -> None:
    with pytest.raises(DurationError):
        parse_go_duration(text)


@pytest.mark.parametrize(("text", "seconds"), [("60", 60), ("1.5", 1.5), (" 90s ", 90), ("0", 0), ("1m30s", 90)])
def test_a_bare_number_on_the_command_line_is_seconds(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["-1s", "-1", "", "1e3", "nan", "inf", "٣", "9" * 400])
def test_the_command_line_takes_no_negative_or_unreadable_duration(text: str) -> None:
    with pytest.raises(DurationError):
        parse_duration(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        # a clock may be a little ahead; two seconds are no longer a little
        (-2, "<invalid>"), (-1.9, "0s"), (-1, "0s"), (-0.5, "0s"),
        (0, "0s"), (0.9, "0s"), (1, "1s"), (119.9, "119s"),
        (2 * MINUTE, "2m"), (2 * MINUTE + 1, "2m1s"), (10 * MINUTE - 1, "9m59s"), (10 * MINUTE, "10m"),
        (10 * MINUTE + 1, "10m"), (3 * HOUR - 1, "179m"),
        (3 * HOUR, "3h"), (3 * HOUR + 25 * MINUTE, "3h25m"), (8 * HOUR - 1, "7h59m"), (8 * HOUR, "8h"),
        (48 * HOUR - 1, "47h"), (48 * HOUR, "2d"), (2 * DAY + HOUR, "2d1h"), (8 * DAY - 1, "7d23h"),
        (8 * DAY, "8d"), (2 * YEAR - 1, "729d"), (2 * YEAR, "2y"), (2 * YEAR + DAY, "2y1d"), (8 * YEAR - 1, "7y364d"),
        (8 * YEAR, "8y"), (8 * YEAR + 300 * DAY, "8y"),
    ],
)  # fmt: skip
def test_ages_are_printed_as_kubectl_prints_them(seconds: float, text: str) -> None:
    assert human_duration(seconds) == text
