"""Unit tests of quantities."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshsim.api.quantities import QuantityError, canonical_quantity, exact_quantity, is_quantity, parse_quantity


@pytest.mark.parametrize(
    ("text", "amount"),
    [("64Mi", 64 * 2**20), ("500m", 0.5), ("1.5G", 1.5e9), ("2", 2), ("1e3", 1000), ("0.1", 0.1), ("1E", 1e18)],
)
def test_a_quantity_is_a_number_with_a_suffix(text: str, amount: float) -> None:
    assert parse_quantity(text) == pytest.approx(amount)


@pytest.mark.parametrize("text", ["", "Mi", "64mi", "64 Mi", "lots", "1e", "0x10", "1e3k", "1e999999999", "9" * 101])
def test_anything_else_is_no_quantity(text: str) -> None:
    with pytest.raises(QuantityError, match="is no quantity"):
        parse_quantity(text)


def test_what_no_float_holds_is_still_an_amount() -> None:
    assert exact_quantity("1e400") == 10**400
    with pytest.raises(QuantityError, match="more than can be reckoned with"):
        parse_quantity("1e400")


@pytest.mark.parametrize(
    ("value", "is_one"),
    [("1Gi", True), (2, True), (0.5, True), (None, True), (True, False), ([], False), ("much", False)],
)
def test_a_number_or_nothing_is_an_amount_too(value: object, is_one: bool) -> None:
    assert is_quantity(value) is is_one


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("1000m", "1"),
        ("0.5", "500m"),
        ("1.5Gi", "1536Mi"),
        ("1024Mi", "1Gi"),
        ("0.5Ki", "512"),
        ("1e3", "1e3"),
        ("1000000", "1M"),
        ("0", "0"),
        ("0.1m", "100u"),
        ("1E", "1E"),
        ("1E3", "1e3"),
        ("16Ei", "9223372036854775807"),
        ("-500m", "-500m"),
        ("1.3n", "2n"),
        ("12Zi", "12Zi"),
        ("much", "much"),
    ],
)
def test_a_quantity_has_one_form(written: str, canonical: str) -> None:
    assert canonical_quantity(written) == canonical


@given(st.integers(0, 10**12), st.sampled_from(["", "m", "k", "M", "Ki", "Mi", "Gi"]))
def test_a_canonical_quantity_is_its_own_canonical_form(number: int, suffix: str) -> None:
    once = canonical_quantity(f"{number}{suffix}")

    assert canonical_quantity(once) == once
