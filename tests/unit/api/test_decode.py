import pytest

from meshsim.api.decode import FieldError, Object, Wire, decode, encode, read_json, write_json
from meshsim.kit.errors import ExitCode


class Step(Wire, frozen=True):
    set_weight: int | None = None
    note: str = ""


class Thing(Wire, frozen=True):
    name: str
    steps: tuple[Step, ...] = ()
    labels: dict[str, str] = {}
    rest: Object = {}


def test_names_change_case_between_the_wire_and_the_program() -> None:
    thing = decode(Thing, {"name": "a", "steps": [{"setWeight": 20}]})
    assert thing.steps[0].set_weight == 20
    assert encode(thing) == {"name": "a", "steps": [{"setWeight": 20}]}


def test_a_null_field_counts_as_absent_at_any_depth() -> None:
    value = {
        "name": "a",
        "labels": None,
        "steps": [{"setWeight": None, "note": None}],
        "rest": {"kept": 1, "not": None},
    }
    assert decode(Thing, value) == Thing(name="a", steps=(Step(),), rest={"kept": 1})


def test_a_field_that_no_type_names_is_ignored() -> None:
    assert decode(Thing, {"name": "a", "unknown": {"deep": [1]}}) == Thing(name="a")


def test_two_objects_never_share_a_default() -> None:
    one, other = decode(Thing, {"name": "a"}), decode(Thing, {"name": "b"})
    assert one.labels is not other.labels


@pytest.mark.parametrize(
    ("value", "path", "message"),
    [
        ({"name": "a", "steps": [{}, {"setWeight": "x"}]}, "steps[1].setWeight", "Expected int | null, got str"),
        ({"name": 1}, "name", "Expected str, got int"),
        ({"name": "a", "labels": {"l": 1}}, "labels[...]", "Expected str, got int"),
        ({}, "", "Object missing required field name"),
        ([], "", "Expected object, got array"),
    ],
)
def test_what_does_not_fit_is_named_by_its_path(value: object, path: str, message: str) -> None:
    with pytest.raises(FieldError) as refused:
        decode(Thing, value)
    assert (refused.value.path, refused.value.message) == (path, message)
    assert str(refused.value) == (f"{path}: {message}" if path else message)
    assert refused.value.exit_code == ExitCode.INVALID_MANIFEST


@pytest.mark.parametrize(
    "text",
    ["", "{", "nul", "NaN", "1e999", "9" * 5000, '{"a": 1} x', '"\\ud800"', b'"\xff"', "[" * 5000 + "]" * 5000],
)
def test_text_that_is_no_json_is_one_sentence(text: str | bytes) -> None:
    with pytest.raises(FieldError, match=r"^invalid JSON: "):
        read_json(text)


def test_an_object_nested_without_end_is_refused_not_a_crash() -> None:
    deep: object = 1
    for _ in range(2000):
        deep = {"rest": deep}
    with pytest.raises(FieldError, match="nested too deeply"):
        decode(Thing, {"name": "a", "rest": deep})


def test_json_is_written_compactly_in_utf8() -> None:
    assert write_json({"a": [1, "é"]}) == '{"a":[1,"é"]}'.encode()
