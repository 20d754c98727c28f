"""How a plane is told its API."""

import argparse
from pathlib import Path

import pytest

from meshsim.client.connection import Connection
from meshsim.client.flags import add_api_flags, api_url, source_of
from meshsim.client.kubeconfig import Kubeconfig
from meshsim.kit.errors import UsageError


def flags(*given: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(exit_on_error=False)
    add_api_flags(parser)
    return parser.parse_args(given)


@pytest.mark.parametrize(
    "text", ["http://127.0.0.1:6443", "https://apiserver", "https://[::1]:6443/", "http://x/prefix"]
)
def test_a_url_is_a_connection(text: str) -> None:
    assert source_of(flags("--api", text)) == Connection(text.rstrip("/"))


@pytest.mark.parametrize(
    "text",
    ["foo", "", "127.0.0.1:6443", "ftp://x", "http://", "http://x:port", "http://x:70000", "http://a:b@x", "http://["],
)
def test_what_is_no_url_of_an_api_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match=f'^"{text}" is not the URL of an API'.replace("[", r"\[")):
        api_url(text)


def test_a_kubeconfig_may_come_later(tmp_path: Path) -> None:
    assert source_of(flags("--kubeconfig", str(tmp_path / "later"))) == Kubeconfig(tmp_path / "later")


def test_a_file_that_is_there_and_is_no_kubeconfig_is_refused_at_once(tmp_path: Path) -> None:
    file = tmp_path / "config"
    file.write_text("{}")
    with pytest.raises(UsageError, match="not a kubeconfig"):
        source_of(flags("--kubeconfig", str(file)))


def test_one_of_the_two_is_given() -> None:
    with pytest.raises((argparse.ArgumentError, SystemExit)):
        flags()
    with pytest.raises(argparse.ArgumentError, match="not allowed with"):
        flags("--api", "http://x", "--kubeconfig", "y")
