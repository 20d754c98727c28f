"""`meshsim kubeconfig`: the path, the contents, and the contents for who reaches the API elsewhere."""

from pathlib import Path

import pytest

from meshsim.cli.main import main
from meshsim.client.connection import Connection
from meshsim.client.kubeconfig import Kubeconfig, kubeconfig_of

pytestmark = pytest.mark.integration

CONNECTION = Connection("https://apiserver:6443", ca="CA", token="0123456789abcdef")


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "kubeconfig"
    path.write_text(kubeconfig_of(CONNECTION))
    return str(path)


def test_its_path_is_printed_or_what_it_says(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["kubeconfig", "--kubeconfig", file]) == 0
    assert capsys.readouterr().out == f"{file}\n"
    assert main(["kubeconfig", "--kubeconfig", file, "--raw"]) == 0
    assert capsys.readouterr().out == kubeconfig_of(CONNECTION)


def test_another_address_of_the_api_may_be_given(file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["kubeconfig", "--kubeconfig", file, "--raw", "--server", "https://127.0.0.1:16443"]) == 0
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text(capsys.readouterr().out)
    assert Kubeconfig(elsewhere).read() == Connection("https://127.0.0.1:16443", ca="CA", token="0123456789abcdef")


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (("--server", "https://x"), "--server is of use with --raw only"),
        (("--raw", "--server", "x"), '"x" is not the URL of an API'),
    ],
)
def test_what_makes_no_sense_is_one_sentence(
    flags: tuple[str, ...], sentence: str, file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["kubeconfig", "--kubeconfig", file, *flags]) == 2
    assert sentence in capsys.readouterr().err
