import textwrap

import pytest

from meshsim.api.decode import Object, read_documents
from meshsim.kit.errors import InvalidManifestError


def values(text: str) -> list[Object]:
    return [document.value for document in read_documents(textwrap.dedent(text), "app.yaml")]


def refusal(text: str) -> str:
    with pytest.raises(InvalidManifestError) as refused:
        values(text)
    return str(refused.value)


def test_a_file_holds_several_documents_and_empty_ones_are_left_out() -> None:
    assert values("---\na: 1\n---\n---\n# nothing\n---\nnull\n---\nb: 2\n") == [{"a": 1}, {"b": 2}]
    assert values("") == []


def test_json_is_yaml() -> None:
    assert values('{"a": ["b", 1.5, true, null, "\\u00e9"]}') == [{"a": ["b", 1.5, True, None, "é"]}]


@pytest.mark.parametrize(
    ("word", "value"),
    [
        # YAML 1.1's words
        ("yes", True), ("On", True), ("y", True), ("no", False), ("OFF", False), ("n", False), ("~", None), ("", None),
        ("yEs", "yEs"), ("None", "None"), ("'yes'", "yes"), ('"1"', "1"),
        # numbers as Go reads them
        ("12", 12), ("-3", -3), ("+3", 3), ("012", 10), ("0o12", 10), ("0x1F", 31), ("-0b11", -3), ("1_000", 1000),
        ("08", 8), ("1.5", 1.5), (".5", 0.5), ("1.0", 1), ("1e3", 1000), ("1E-2", 0.01), ("0", 0),
        ("18446744073709551615", 2**64 - 1), ("99999999999999999999", 1e20), ("9" * 400, "9" * 400),
        # no base 60, no dates
        ("1:30", "1:30"), ("12:30:45.5", "12:30:45.5"), ("2026-01-02", "2026-01-02"), ("1.2.3", "1.2.3"), ("=", "="),
        ("0x", "0x"), ("1e", "1e"), (".", "."), ("v1", "v1"),
    ],
)  # fmt: skip
def test_a_plain_word_has_the_type_that_kubernetes_gives_it(word: str, value: object) -> None:
    assert values(f"a: {word}") == [{"a": value}]
    assert type(values(f"a: {word}")[0]["a"]) is type(value)


def test_keys_are_text_whatever_they_look_like() -> None:
    assert values("on: 1\n12: 2\n1.5: 3\nno: 4") == [{"true": 1, "12": 2, "1.5": 3, "false": 4}]


def test_merged_keys_give_way_to_a_mappings_own() -> None:
    assert values("base: &b {k: 1, l: 2}\nuse: {<<: *b, k: 3}") == [{"base": {"k": 1, "l": 2}, "use": {"k": 3, "l": 2}}]
    assert values("deep: {er: &a {<<: {k: 1}, k: 2}}\nuse: {<<: *a}")[0]["use"] == {"k": 2}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a: [1", "app.yaml:2:1: did not find expected ',' or ']'"),
        ("a:\n\t- b", "app.yaml:2:1: found character that cannot start any token"),
        ("a: 1\nb: 2\na: 3", 'app.yaml:3:1: key "a" already set in map'),
        ("a: {x: 1, 'x': 2}", 'app.yaml:1:11: key "x" already set in map'),
        ("a: 1\n---\n- b", "app.yaml:3:1: a manifest is a mapping with apiVersion and kind"),
        ("just words", "app.yaml:1:1: a manifest is a mapping with apiVersion and kind"),
        ("a: {? [b] : 1}", "app.yaml:1:7: a key is a word"),
        ("a:\n  ~: 1", "app.yaml:2:3: a key is a word"),
        ("a: .inf", 'app.yaml:1:4: ".inf" is no number in JSON'),
        ("a: !!int word", 'app.yaml:1:4: "word" is no number in JSON'),
        ("a: !!bool 2", 'app.yaml:1:4: "2" is neither true nor false'),
        ("a: !!binary aGk=", "app.yaml:1:4: could not determine a constructor for the tag 'tag:yaml.org,2002:binary'"),
        ("a: !!python/name:os.system x", "app.yaml:1:4: could not determine a constructor for the tag "
         "'tag:yaml.org,2002:python/name:os.system'"),
        ("a: *b", "app.yaml:1:4: found undefined alias"),
        ("é: 1\nb: é\x07", "app.yaml:2:5: not text: control characters are not allowed"),
        ("a: &a {b: *a}", "app.yaml:1:4: an alias stands for something that contains it"),
    ],
)  # fmt: skip
def test_wrong_text_is_one_sentence_with_its_position(text: str, sentence: str) -> None:
    assert refusal(text) == sentence


@pytest.mark.parametrize("unit", ["[", "{a: ", "- "])
def test_nesting_without_end_is_refused_before_it_is_built(unit: str) -> None:
    assert "nested too deeply" in refusal("a:\n " + unit * 50_000)


def test_few_lines_of_aliases_cannot_ask_for_billions_of_values() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10)]
    assert refusal("\n".join(lines)) == "app.yaml:6:5: the document is too large once its aliases are written out"


def test_aliases_cannot_nest_without_end() -> None:
    lines = ["a0: &a0 [x]"] + [f"a{n}: &a{n} [*a{n - 1}]" for n in range(1, 2000)]
    assert "too large once its aliases are written out" in refusal("\n".join(lines))


def test_a_field_path_leads_to_its_place_in_the_file() -> None:
    text = """\
        kind: Rollout
        ---
        kind: Rollout
        spec:
          steps:
          - setWeight: 20
          - pause: {duration: 1}
    """
    document = list(read_documents(textwrap.dedent(text), "app.yaml"))[1]
    assert document.where() == "app.yaml:3:1"
    assert document.where("spec.steps[1].pause.duration") == "app.yaml:7:13"
    assert document.where("spec.steps[0]") == "app.yaml:6:5"


def test_a_path_that_the_file_lacks_leads_to_its_nearest_ancestor() -> None:
    document = next(read_documents("spec:\n  strategy:\n    canary: {}\n", "app.yaml"))
    assert document.where("spec.strategy.canary.steps[3].pause") == "app.yaml:3:5"
    assert document.where("status") == "app.yaml:1:1"


def test_a_key_that_overrides_a_merged_one_is_found_where_it_is_written() -> None:
    document = next(read_documents("base: &b {k: 1}\nuse:\n  <<: *b\n  k: 3\n", "app.yaml"))
    assert document.where("use.k") == "app.yaml:4:3"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: [1.2.3.4, 001:db8::]", {"a": ["1.2.3.4", {"001:db8:": None}]}),
        ("a: {b:, c: 012}", {"a": {"b": None, "c": 10}}),
        ("a: {b:}\nc: y", {"a": {"b": None}, "c": True}),
    ],
)
def test_a_word_that_ends_with_a_colon_in_brackets_is_a_key_without_a_value(text: str, value: Object) -> None:
    assert next(read_documents(text, "app.yaml")).value == value


def test_a_document_that_libyaml_refuses_is_as_bounded_and_as_well_placed_as_any() -> None:
    assert refusal("a: [x:]\nb: [\n").startswith("app.yaml:3:1: ")
    assert "nested too deeply" in refusal("a: [x:, " + "[" * 200)
    document = next(read_documents("a: [x:]\nb:\n  c: [1, 2]\n", "app.yaml"))
    assert document.where("b.c[1]") == "app.yaml:3:10"
