"""Unit tests of quantities."""

import pytest

from meshsim.api.quantities import QuantityError, parse_quantity


@pytest.mark.parametrize(
    ("text", "amount"),
    [("64Mi", 64 * 2**20), ("500m", 0.5), ("1.5G", 1.5e9), ("2", 2), ("1e3", 1000), ("0.1", 0.1), ("1E", 1e18)],
)
def test_a_quantity_is_a_number_with_a_suffix(text: str, amount: float) -> None:
    assert parse_quantity(text) == pytest.approx(amount)


@pytest.mark.parametrize("text", ["", "Mi", "64mi", "64 Mi", "lots", "1e", "0x10"])
def test_anything_else_is_no_quantity(text: str) -> None:
    with pytest.raises(QuantityError, match="is no quantity"):
        parse_quantity(text)
