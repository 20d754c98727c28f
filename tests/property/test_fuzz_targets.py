"""A short search with every target of `make fuzz`, so that none rots: bytes, and words that mean something to it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.targets import TARGETS, Target

by_name = pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)


@by_name
def test_no_bytes_break_a_promise(target: Target) -> None:
    pieces = st.sampled_from([*target.words, *target.seeds]) | st.binary(max_size=4)

    @given(st.lists(pieces, max_size=12).map(b"".join))
    def search(data: bytes) -> None:
        target.run(data)

    search()


@by_name
def test_a_search_begins_with_what_is_understood(target: Target) -> None:
    for seed in target.seeds:
        target.run(seed)
