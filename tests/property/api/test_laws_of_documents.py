import yaml
from hypothesis import given
from hypothesis import strategies as st

from meshsim.api.decode import Object, read_documents, read_json, write_json
from meshsim.kit.errors import InvalidManifestError

words = st.text(st.characters(blacklist_categories=["Cs", "Cc"], blacklist_characters="\ufffe\uffff"), max_size=12)
leaves = st.none() | st.booleans() | st.integers(-(2**63), 2**63) | words | st.sampled_from(["yes", "1e3", "012", "~"])
values = st.recursive(leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3))
objects = st.dictionaries(words, values, max_size=4)


@given(objects)
def test_what_is_written_as_json_is_read_back_by_json_and_yaml_alike(obj: Object) -> None:
    text = write_json(obj)
    assert read_json(text) == obj
    assert [document.value for document in read_documents(text.decode(), "f")] == [obj]


@given(objects)
def test_what_is_quoted_in_yaml_is_text_whatever_it_looks_like(obj: Object) -> None:
    texts = _texts(obj)
    text = yaml.safe_dump(texts, default_style='"')
    assert [document.value for document in read_documents(text, "f")] == [texts]


@given(st.text(st.sampled_from("ab:-[]{},&*!?|>'\"#%@` \n\t~<1.e+_0x"), max_size=40))
def test_any_text_is_documents_or_one_sentence_with_its_position(text: str) -> None:
    try:
        for document in read_documents(text, "f.yaml"):
            write_json(document.value)
            document.where("a[0].b")
    except InvalidManifestError as error:
        sentence = str(error)
    else:
        sentence = "f.yaml:1:1: fine"
    assert sentence.startswith("f.yaml:")
    assert "\n" not in sentence


def _texts(value: object) -> object:
    """The value with every leaf as text."""
    if isinstance(value, dict):
        return {key: _texts(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_texts(item) for item in value]
    return str(value)
