"""What is read in one go says the same as when it is read carefully."""

from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from meshsim.api.decode import read_carefully, read_documents
from meshsim.api.plain_yaml import plain_values
from meshsim.kit.errors import InvalidManifestError
from tests.kits.processes import REPOSITORY

pytestmark = pytest.mark.property

_WORDS = st.sampled_from(
    ("a", "yes", "No", "null", "~", "012", "0o7", "1.0", "1e3", "-0x1F", ".inf", "<<", "=", "1_000", "", "on", "a: b")
)
_VALUES = st.recursive(
    _WORDS | st.integers() | st.booleans() | st.none() | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_WORDS | st.text(max_size=3), inner, max_size=3),
    max_leaves=10,
)
_LINES = st.lists(
    st.sampled_from(
        (
            "a:",
            " b: 1",
            "- c",
            " - &x d",
            "e: *x",
            "f: !!str 1",
            "a: 2",
            "---",
            "...",
            "{g: [h, i:]}",
            "? j",
            "k: 'l",
            "|",
        )
    ),
    max_size=6,
)


def _read(read: Any, text: str) -> object:
    try:
        return [(document.value, document.where("a.b"), document.where()) for document in read(text, "x.yaml", 3)]
    except InvalidManifestError as error:
        return str(error)


@given(st.lists(st.dictionaries(_WORDS | st.text(max_size=3), _VALUES), max_size=3), st.booleans())
def test_whatever_is_written_reads_the_same(documents: list[Any], flow: bool) -> None:
    text = yaml.safe_dump_all(documents, default_flow_style=flow)
    assert _read(read_documents, text) == _read(read_carefully, text)


@given(_LINES)
@example(["{" * 101])
@example(["a: " + "[" * 98 + "]" * 98])
@example(["a: " + "[" * 99 + "]" * 99])
@example(["a: " + "[" * 99 + "b" + "]" * 99])
@example(["a: 1", "---", "- b"])
def test_lines_in_any_order_read_the_same_or_are_refused_alike(lines: list[str]) -> None:
    text = "\n".join(lines)
    assert _read(read_documents, text) == _read(read_carefully, text)


def test_the_examples_are_plain_and_read_the_same() -> None:
    files = sorted((REPOSITORY / "examples").rglob("*.yaml"))
    assert files
    for file in files:
        text = file.read_text()
        assert plain_values(text) == [document.value for document in read_carefully(text, str(file))]
