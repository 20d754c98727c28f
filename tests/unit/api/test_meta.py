import pytest

from meshsim.api.decode import decode, encode
from meshsim.api.meta import Condition, Key, LabelSelector, ObjectMeta, SelectorRequirement, key_of, selects


def requirement(key: str, operator: str, *values: str) -> SelectorRequirement:
    return SelectorRequirement(key=key, operator=operator, values=values)


def test_a_condition_always_says_its_status() -> None:
    assert encode(Condition(type="Paused", status="Unknown")) == {"type": "Paused", "status": "Unknown"}


@pytest.mark.parametrize(
    ("line", "matching", "failing"),
    [
        (requirement("tier", "In", "a", "b"), [{"tier": "a"}, {"tier": "b", "x": ""}], [{"tier": "c"}, {}]),
        (requirement("tier", "NotIn", "a"), [{"tier": "b"}, {}], [{"tier": "a"}]),
        (requirement("tier", "Exists"), [{"tier": ""}], [{}, {"other": "tier"}]),
        (requirement("tier", "DoesNotExist"), [{}], [{"tier": ""}]),
        (requirement("tier", "Resembles", "a"), [], [{"tier": "a"}, {}]),
    ],
)
def test_an_expression_selects_by_its_operator(
    line: SelectorRequirement, matching: list[dict[str, str]], failing: list[dict[str, str]]
) -> None:
    assert all(line.matches(labels) for labels in matching)
    assert not any(line.matches(labels) for labels in failing)


def test_all_of_a_selector_must_match_and_an_empty_one_matches_everything() -> None:
    selector = LabelSelector(match_labels={"app": "a"}, match_expressions=(requirement("canary", "Exists"),))
    assert selector.matches({"app": "a", "canary": "", "more": "x"})
    assert not selector.matches({"app": "a"})
    assert not selector.matches({"canary": ""})
    assert LabelSelector().matches({"any": "thing"})
    assert LabelSelector().matches({})


def test_a_selector_is_written_with_its_keys_sorted() -> None:
    lines = (
        requirement("tier", "In", "b", "a"),
        requirement("region", "NotIn", "eu"),
        requirement("canary", "Exists"),
        requirement("old", "DoesNotExist"),
    )
    selector = LabelSelector(match_labels={"zone": "1", "app": "my-app"}, match_expressions=lines)
    assert str(selector) == "app=my-app,canary,!old,region notin (eu),tier in (a,b),zone=1"
    assert str(LabelSelector()) == ""


def test_a_services_selector_is_a_part_of_the_labels() -> None:
    assert selects({"app": "a"}, {"app": "a", "pod-template-hash": "1"})
    assert not selects({"app": "a", "hash": "1"}, {"app": "a"})


def test_metadata_says_the_key_and_the_owner_that_acts_for_the_object() -> None:
    meta = decode(
        ObjectMeta,
        {
            "name": "web-1",
            "namespace": "shop",
            "ownerReferences": [
                {"kind": "Team", "name": "t"},
                {"kind": "ReplicaSet", "name": "web", "controller": True},
            ],
        },
    )
    assert meta.key == Key("shop", "web-1")
    assert meta.controller is not None
    assert meta.controller.name == "web"
    assert ObjectMeta().controller is None


def test_a_key_is_written_with_its_namespace_when_it_has_one() -> None:
    assert str(Key("shop", "web")) == "shop/web"
    assert str(Key("", "shop")) == "shop"


@pytest.mark.parametrize("obj", [{}, {"metadata": None}, {"metadata": {"name": None}}])
def test_an_object_without_metadata_has_an_empty_key(obj: dict[str, object]) -> None:
    assert key_of(obj) == Key("", "")
