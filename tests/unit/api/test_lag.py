"""Unit tests of injected lag."""

import pytest

from meshsim.api.lag import NODE_HOPS, Lags, parse_lag
from meshsim.kit.errors import UsageError


def test_lag_is_given_hop_by_hop() -> None:
    assert parse_lag("selector=2s, endpoints=500ms,readiness=1") == {"selector": 2, "endpoints": 0.5, "readiness": 1}
    assert parse_lag("") == {}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("wire=2s", '"wire" is no hop that can lag here: choose from vs, dr, endpoints, selector, readiness'),
        ("selector", 'lag of selector: "" is not a duration'),
        ("selector=soon", 'lag of selector: "soon" is not a duration'),
        ("selector=-1s", "lag of selector: .* negative"),
    ],
)
def test_what_makes_no_sense_is_named(text: str, complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        parse_lag(text)


def test_a_hop_lags_not_at_all_until_it_is_told_to() -> None:
    lags = Lags({"endpoints": 3})
    assert (lags["endpoints"], lags["selector"]) == (3, 0)
    lags.set({"selector": 1})
    assert lags.of(NODE_HOPS) == {"endpoints": 3, "selector": 1, "readiness": 0}
