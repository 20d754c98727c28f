import pytest

from controller.analysis.providers.jsonpath import JsonPathError, find_first

DOCUMENT = {"items": [{"name": "a", "n": 1}, {"name": "b"}], "more": {"deep": [1, [2, [3]]]}}


@pytest.mark.parametrize("path", ["{" + ".." * 45 + "*}", "{.items" + "[*,*,*,*][?(@..n)]" * 2 + ".." * 60 + "}"])
def test_a_path_that_leads_everywhere_many_times_is_given_up(path: str) -> None:
    with pytest.raises(JsonPathError):
        find_first(DOCUMENT, path)


@pytest.mark.parametrize("index", ["9" * 5000, f"{'9' * 5000}:1", f"-{'9' * 5000}:"])
def test_an_index_of_thousands_of_digits_is_no_index(index: str) -> None:
    with pytest.raises(JsonPathError, match="invalid array index"):
        find_first(DOCUMENT, f"{{.items[{index}]}}")
