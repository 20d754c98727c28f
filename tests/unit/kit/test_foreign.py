import pytest

from meshsim.kit.foreign import foreign_reason


@pytest.mark.parametrize(
    "host", ["127.0.0.1:6443", "[::1]:6443", "localhost", "localhost:3100", "app.localhost", "apiserver:6443", ""]
)
def test_names_of_this_machine_and_of_containers_are_ours(host: str) -> None:
    assert foreign_reason(host, "") == ""


@pytest.mark.parametrize("host", ["evil.com", "evil.com:6443", "127.0.0.1.evil.com", "[", "a.b", "[::1"])
def test_a_name_that_may_be_anybodys_is_refused(host: str) -> None:
    assert "is not a name of this machine" in foreign_reason(host, "")


def test_a_name_may_be_allowed() -> None:
    assert foreign_reason("lab.example:6443", "", ["lab.example"]) == ""
    assert foreign_reason("other.example:6443", "", ["lab.example"]) != ""


def test_a_page_may_ask_where_it_came_from_and_nowhere_else() -> None:
    assert foreign_reason("127.0.0.1:3100", "http://127.0.0.1:3100") == ""
    assert foreign_reason("127.0.0.1:6443", "http://127.0.0.1:3100") != ""
    assert foreign_reason("127.0.0.1:6443", "https://evil.com") != ""
    assert foreign_reason("127.0.0.1:6443", "null") != "", "a sandboxed page has no origin"
