"""Unit tests of shares."""

import pytest

from meshsim.kit.shares import ShareError, parse_share


@pytest.mark.parametrize(("text", "share"), [("5%", 0.05), ("0.05", 0.05), (" 100% ", 1.0), ("0", 0.0), ("1", 1.0)])
def test_a_share_is_a_percentage_or_a_number_up_to_one(text: str, share: float) -> None:
    assert parse_share(text) == share


@pytest.mark.parametrize("text", ["", "%", "5", "101%", "-1%", "nan", "often"])
def test_anything_else_is_no_share(text: str) -> None:
    with pytest.raises(ShareError, match=r"is no share: write 5% or 0\.05"):
        parse_share(text)
