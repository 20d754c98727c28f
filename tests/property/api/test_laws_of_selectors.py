from hypothesis import given
from hypothesis import strategies as st

from meshsim.api.decode import decode, encode
from meshsim.api.meta import LabelSelector, SelectorRequirement
from meshsim.api.selectors import parse_label_selector

keys = st.sampled_from(["app", "tier", "shop.example/zone"])
values = st.sampled_from(["", "a", "b", "v1.2"])
labels = st.dictionaries(keys, values)
requirements = st.one_of(
    st.builds(
        SelectorRequirement,
        key=keys,
        operator=st.sampled_from(["In", "NotIn"]),
        values=st.lists(values, min_size=1, max_size=3, unique=True).map(tuple),
    ),
    st.builds(SelectorRequirement, key=keys, operator=st.sampled_from(["Exists", "DoesNotExist"])),
)
selectors = st.builds(
    LabelSelector, match_labels=labels, match_expressions=st.lists(requirements, max_size=3).map(tuple)
)


@given(selectors, labels)
def test_a_selector_selects_the_same_after_it_went_through_a_query(
    selector: LabelSelector, some: dict[str, str]
) -> None:
    assert parse_label_selector(str(selector)).matches(some) == selector.matches(some)


@given(selectors)
def test_a_selector_survives_the_wire(selector: LabelSelector) -> None:
    assert decode(LabelSelector, encode(selector)) == selector


@given(requirements, labels)
def test_in_and_notin_exists_and_doesnotexist_are_opposites(line: SelectorRequirement, some: dict[str, str]) -> None:
    opposite = {"In": "NotIn", "NotIn": "In", "Exists": "DoesNotExist", "DoesNotExist": "Exists"}[line.operator]
    assert SelectorRequirement(key=line.key, operator=opposite, values=line.values).matches(some) != line.matches(some)
