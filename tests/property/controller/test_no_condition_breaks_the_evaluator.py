"""Conditions come from strangers' templates: whatever they say, the answer is a bool or a ConditionError."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.analysis.conditions import ConditionError, evaluate

pytestmark = pytest.mark.property

TEXT = """result result[0] result.a # . .a ( ) [ ] { } , ; ? : ?? ?. | || && ! not in == < + - * / % ** .. matches let
x = if else nil true 0 1.5 'a' [] {} len( all( map( filter( reduce( sortBy( asFloat( default( max( #acc split( date("""
WORDS = st.sampled_from(TEXT.split())
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
    max_leaves=5,
) | st.lists(st.floats(), max_size=3).map(tuple)


@given(st.lists(WORDS, max_size=12).map(" ".join) | st.text(max_size=20), VALUES)
def test_an_answer_or_a_reason(condition: str, result: Any) -> None:
    try:
        answer = evaluate(condition, result, 1_800_000_000.0)
    except ConditionError:
        return
    assert isinstance(answer, bool)


@given(st.floats(allow_nan=False), st.floats(allow_nan=False, allow_infinity=False))
def test_comparisons_are_those_of_numbers(left: float, right: float) -> None:
    assert evaluate(f"result.a < {right!r}", {"a": left}, 0.0) == (left < right)
