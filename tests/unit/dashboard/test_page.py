"""The page shows what anybody may have written into an object: as text, and nowhere as markup or code."""

import re
from importlib.resources import files

import pytest

STATIC = files("meshsim.dashboard").joinpath("static")
MARKUP = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|srcdoc|javascript:"
LIVE_ATTRIBUTES = r"""setAttribute\(["'](?:on\w+|href|src|style)["']|\.(?:href|src)\s*="""


@pytest.mark.parametrize("sink", [MARKUP, LIVE_ATTRIBUTES])
def test_the_script_makes_no_markup_of_text(sink: str) -> None:
    assert re.findall(sink, STATIC.joinpath("app.js").read_text()) == []


@pytest.mark.parametrize(
    "code", [r"<script(?![^>]*\bsrc=)", r"\son[a-z]+\s*=", r"https?://(?!www\.w3\.org)", r"\sstyle\s*="]
)
def test_the_page_has_no_code_of_its_own_and_nothing_from_elsewhere(code: str) -> None:
    """As its content security policy demands: what an attacker puts in would not run either."""
    assert re.findall(code, STATIC.joinpath("index.html").read_text()) == []


def test_what_the_script_hides_is_hidden_whatever_its_class_lays_out() -> None:
    assert "[hidden] { display: none !important; }" in STATIC.joinpath("style.css").read_text()
