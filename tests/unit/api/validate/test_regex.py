import pytest

from meshsim.api.validate.regex import regex_error


@pytest.mark.parametrize("pattern", [".*", "(?i)a", "^/v[0-9]+/$", "(?P<name>a)", "(?<name>a)", r"\pL", r"\Qa.b\C\E"])
def test_re2_patterns_are_right(pattern: str) -> None:
    assert regex_error(pattern, "uri") is None


@pytest.mark.parametrize(
    ("pattern", "problem"),
    [
        ("*", "missing argument to repetition operator: `*`"),
        ("[", "missing closing ]: `[`"),
        ("(", "missing closing ): `(`"),
        (")", "unexpected ): `)`"),
        ("a**", "invalid nested repetition operator: `**`"),
        ("a{1001}", "invalid repeat count: `{1001}`"),
        ("[z-a]", "invalid character class range: `z-a`"),
        ("(?!a)", "invalid or unsupported Perl syntax: `(?!`"),
        ("x(?<=a)b", "invalid named capture: `(?<=a)b`"),
        ("(?<!a)>b", "invalid named capture: `(?<!a)>`"),
        ("(?P<n", "invalid named capture: `(?P<n`"),
        ("a\\", "trailing backslash at end of expression: ``"),
        (r"\8", r"invalid escape sequence: `\8`"),
        (r"a\Cb", r"invalid escape sequence: `\C`"),
    ],
)
def test_a_wrong_pattern_is_refused_in_the_words_of_gos_parser(pattern: str, problem: str) -> None:
    hint = "Istio uses RE2 style regex-based match (https://github.com/google/re2/wiki/Syntax)"

    assert regex_error(pattern, "headers") == f'"headers": error parsing regexp: {problem}; {hint}'


def test_a_pattern_has_at_most_1024_bytes() -> None:
    assert regex_error("a" * 1024, "uri") is None
    assert regex_error("ä" * 513, "uri") == '"uri": regex is too large, max length allowed is 1024'


def test_a_pattern_that_re2_would_not_compile_is_right_for_go() -> None:
    assert regex_error(r"((\pL{100}){9}){0,1}", "uri") is None
