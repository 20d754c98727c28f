import pytest

from meshsim.api.decode import FieldError
from meshsim.api.selectors import FieldTerm, parse_field_selector, parse_label_selector


@pytest.mark.parametrize(
    ("selector", "labels", "selected"),
    [
        ("", {}, True),
        ("app=web", {"app": "web"}, True),
        ("app==web", {"app": "web"}, True),
        ("app=web", {"app": "api"}, False),
        ("app!=web", {}, True),
        ("app!=web", {"app": "web"}, False),
        ("app=", {"app": ""}, True),
        ("app", {"app": "anything"}, True),
        ("!app", {"app": "anything"}, False),
        ("!argo-rollouts.argoproj.io/controller-instance-id", {}, True),
        ("tier in (a, b)", {"tier": "b"}, True),
        ("tier in (a,b)", {"tier": "c"}, False),
        ("tier notin (a,b)", {}, True),
        ("in in (in)", {"in": "in"}, True),
        ("app = web , !legacy,tier in (a)", {"app": "web", "tier": "a"}, True),
        ("app=web,!legacy", {"app": "web", "legacy": "yes"}, False),
    ],
)
def test_a_label_selector_selects_what_kubernetes_would(selector: str, labels: dict[str, str], selected: bool) -> None:
    assert parse_label_selector(selector).matches(labels) is selected


@pytest.mark.parametrize("selector", [",", "app=web,", "a b", "tier in a", "tier in ()x", "-a=b", "a==b=c", "=b"])
def test_a_text_that_is_no_label_selector_is_refused(selector: str) -> None:
    with pytest.raises(FieldError, match="unable to parse requirement"):
        parse_label_selector(selector)


def test_a_parsed_selector_prints_as_it_was_written() -> None:
    assert str(parse_label_selector("b notin (y,x),!c,a")) == "a,b notin (x,y),!c"


def test_a_field_selector_knows_equal_and_unequal() -> None:
    terms = parse_field_selector("metadata.name=web,status.phase!=Failed,type==Opaque")
    assert terms == (
        FieldTerm("metadata.name", "web", True),
        FieldTerm("status.phase", "Failed", False),
        FieldTerm("type", "Opaque", True),
    )


def test_a_field_selector_without_an_operator_is_refused() -> None:
    with pytest.raises(FieldError, match="can't understand"):
        parse_field_selector("metadata.name")


@pytest.mark.parametrize(
    "text",
    ["a in (" + " , " * 3000, "a." * 25_000, "a-" * 25_000 + "!", "a" + " " * 50_000 + "!", "a=b, " * 10_000 + "("],
)
def test_a_long_text_is_refused_as_fast_as_it_is_read(text: str) -> None:
    """Tried over and over, any of these would take longer than a test may."""
    with pytest.raises(FieldError):
        parse_label_selector(text)
