"""What the command lines of planes take, and how they refuse the rest."""

import argparse

import pytest

from meshsim.kit.flags import PlaneParser, count, port


@pytest.mark.parametrize("text", ["0", "80", "65535"])
def test_a_port_is_a_number_that_fits(text: str) -> None:
    assert port(text) == int(text)


@pytest.mark.parametrize("text", ["65536", "-1", "", "http", "8o", "٣"])
def test_anything_else_is_no_port(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="is not a port: 0 to 65535"):
        port(text)


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "many"])
def test_a_count_begins_at_one(text: str) -> None:
    assert count("1") == 1
    with pytest.raises(argparse.ArgumentTypeError, match="is not a number from 1"):
        count(text)


def test_a_wrong_flag_ends_with_one_sentence_and_where_to_read_more(capsys: pytest.CaptureFixture[str]) -> None:
    parser = PlaneParser(prog="meshsim proxy")
    parser.add_argument("--port", type=port)
    with pytest.raises(SystemExit) as ended:
        parser.parse_args(["--port", "70000"])
    assert ended.value.code == 2
    assert capsys.readouterr().err == (
        "Error: argument --port: \"70000\" is not a port: 0 to 65535\nRun 'meshsim proxy --help' for usage.\n"
    )
