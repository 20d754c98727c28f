"""Where the load goes, and where it won't."""

import pytest

from meshsim.kit.errors import StartError, UsageError
from meshsim.load.target import target_of


def test_the_host_header_is_the_urls_unless_another_is_given() -> None:
    assert b"\r\nHost: 127.0.0.1:8080\r\n" in target_of("http://127.0.0.1:8080/").request
    assert b"\r\nHost: my-app\r\n" in target_of("http://127.0.0.1:8080/", "my-app").request


def test_path_and_query_are_asked_for_as_written() -> None:
    target = target_of("http://127.0.0.1:81/a/b?c=%20d")
    assert (target.address, target.port) == ("127.0.0.1", 81)
    assert target.request.startswith(b"GET /a/b?c=%20d HTTP/1.1\r\n")


def test_a_url_without_a_port_means_80() -> None:
    assert target_of("http://127.0.0.1").port == 80


@pytest.mark.parametrize(
    "url",
    ["https://127.0.0.1/", "127.0.0.1:8080", "http://", "http://127.0.0.1:99999/", "http://127.0.0.1/a b"],
)
def test_a_url_that_is_not_plain_http_is_refused(url: str) -> None:
    with pytest.raises(UsageError):
        target_of(url)


@pytest.mark.parametrize("host", ["my-app\r\nX-Injected: 1", "my app", "møøse"])
def test_a_host_that_would_break_the_head_is_refused(host: str) -> None:
    with pytest.raises(UsageError, match="--host"):
        target_of("http://127.0.0.1/", host)


def test_the_load_stays_on_this_machine_unless_told_otherwise() -> None:
    with pytest.raises(UsageError, match="--allow-remote"):
        target_of("http://192.0.2.1/")
    assert target_of("http://192.0.2.1/", allow_remote=True).address == "192.0.2.1"


def test_a_name_nobody_knows_is_one_sentence() -> None:
    # Two dots in a row: refused before any resolver is asked.
    with pytest.raises(StartError, match=r'"no\.\.where"'):
        target_of("http://no..where/", allow_remote=True)
