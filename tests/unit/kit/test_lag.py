"""Unit tests of injected lag."""

import pytest

from meshsim.kit.errors import UsageError
from meshsim.kit.lag import Lags, parse_lag


def test_lag_is_given_hop_by_hop() -> None:
    assert parse_lag("vs=2s, endpoints=500ms,readiness=1") == {"vs": 2, "endpoints": 0.5, "readiness": 1}
    assert parse_lag("") == {}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("wire=2s", '"wire" is no hop that can lag: choose from vs, dr, endpoints, selector, readiness'),
        ("vs", 'lag of vs: "" is not a duration'),
        ("vs=soon", 'lag of vs: "soon" is not a duration'),
        ("vs=-1s", "lag of vs: .* negative"),
    ],
)
def test_what_makes_no_sense_is_named(text: str, complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        parse_lag(text)


def test_a_hop_lags_not_at_all_until_it_is_told_to() -> None:
    lags = Lags({"endpoints": 3})
    assert (lags["endpoints"], lags["vs"]) == (3, 0)
    lags.set({"vs": 1})
    assert lags.all() == {"vs": 1, "dr": 0, "endpoints": 3, "selector": 0, "readiness": 0}
