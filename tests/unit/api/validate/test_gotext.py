import pytest

from meshsim.api.validate.gotext import (
    GoDurationError,
    GoEscapeError,
    float_fixed,
    float_text,
    nanoseconds,
    parse_int,
    quote,
    unescaped,
)


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        ("plain", '"plain"'),
        ('say "hi"\\', r'"say \"hi\"\\"'),
        ("a\tb\x00\x7f", r'"a\tb\x00\x7f"'),
        ("Größe \u200b", '"Größe \\u200b"'),
        ("\U000e0001", '"\\U000e0001"'),
    ],
)
def test_text_is_quoted_as_go_quotes_it(text: str, quoted: str) -> None:
    assert quote(text) == quoted


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (101.0, "101"),
        (1e-05, "1e-05"),
        (0.25, "0.25"),
        (0.0001, "0.0001"),
        (999999.0, "999999"),
        (100000.5, "100000.5"),
        (1e6, "1e+06"),
        (12345678.5, "1.23456785e+07"),
        (-1e100, "-1e+100"),
        (-0.0, "-0"),
        (float("nan"), "NaN"),
        (float("-inf"), "-Inf"),
    ],
)
def test_a_number_is_written_in_its_shortest_form(value: float, text: str) -> None:
    assert float_text(value) == text


def test_a_number_is_written_with_six_digits() -> None:
    assert [float_fixed(value) for value in (100.5, float("inf"))] == ["100.500000", "+Inf"]


@pytest.mark.parametrize(
    ("text", "number"),
    [("12", 12), ("+7", 7), ("-3", -3), ("", None), ("1.0", None), (" 1", None), ("9" * 19, None), ("0x1", None)],
)
def test_an_integer_is_decimal_and_fits_64_bits(text: str, number: int | None) -> None:
    assert parse_int(text) == number


@pytest.mark.parametrize(
    ("text", "length_ns"),
    [
        ("1h30m", 5_400_000_000_000),
        ("-1.5s", -1_500_000_000),
        ("0", 0),
        ("+.5ms", 500_000),
        ("1.0000000001s", 1_000_000_000),
    ],
)
def test_a_duration_is_exact_to_the_nanosecond(text: str, length_ns: int) -> None:
    assert nanoseconds(text) == length_ns


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("5", 'time: missing unit in duration "5"'),
        ("", 'time: invalid duration ""'),
        ("1d", 'time: unknown unit "d" in duration "1d"'),
        ("1s.", 'time: invalid duration "1s."'),
        ("5é", 'time: unknown unit "\\xc3\\xa9" in duration "5\\xc3\\xa9"'),
        ('"\n', r'time: invalid duration "\"\x0a"'),
        ("300000000h", 'time: invalid duration "300000000h"'),
    ],
)
def test_text_that_is_no_duration_is_refused_in_gos_words(text: str, complaint: str) -> None:
    with pytest.raises(GoDurationError) as raised:
        nanoseconds(text)

    assert str(raised.value) == complaint


@pytest.mark.parametrize(
    ("literal", "text"),
    [
        (r'"a\n\t\\\""', 'a\n\t\\"'),
        (r"'it\'s'", "it's"),
        (r'"\101\x42\u0043\U0001F600\u{44}"', "ABC\U0001f600D"),
        (r'"\377"', "ÿ"),
        (r'"\ud800"', "\ufffd"),
    ],
)
def test_escapes_in_quotes_are_resolved(literal: str, text: str) -> None:
    assert unescaped(literal) == text


@pytest.mark.parametrize("literal", [r'"a\.b"', r'"it\'s"', r'"\400"', r'"\x4"', r'"\Uffffffff"', r'"\u{}"', r'"\/"'])
def test_no_other_escape_is_taken(literal: str) -> None:
    with pytest.raises(GoEscapeError):
        unescaped(literal)
