"""Laws of merge patches."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshsim.api.decode import Object
from meshsim.api.merge_patch import merge_patch, patch_between

pytestmark = pytest.mark.property

_NAMES = st.sampled_from("abc")


def _values(leaves: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.recursive(
        leaves, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(_NAMES, inner, max_size=3), max_leaves=8
    )


_OBJECTS = st.dictionaries(_NAMES, _values(st.integers(0, 2) | st.booleans() | st.sampled_from(("", "x"))))
_PATCHES = st.dictionaries(_NAMES, _values(st.integers(0, 2) | st.none()))


@given(_OBJECTS, _OBJECTS)
def test_the_patch_between_two_objects_leads_from_one_to_the_other(old: Object, new: Object) -> None:
    assert merge_patch(old, patch_between(old, new)) == new


@given(_OBJECTS)
def test_the_patch_between_equal_objects_is_empty(value: Object) -> None:
    assert patch_between(value, merge_patch({}, value)) == {}


@given(_OBJECTS, _PATCHES)
def test_a_patch_applied_twice_does_no_more_than_once(value: Object, patch: Object) -> None:
    once = merge_patch(value, patch)
    assert merge_patch(once, patch) == once


@given(_OBJECTS, _PATCHES)
def test_a_patch_changes_neither_of_its_arguments(value: Object, patch: Object) -> None:
    before = repr((value, patch))
    merge_patch(value, patch)
    assert repr((value, patch)) == before
