"""`meshsim logs`: its flags in the API's words."""

import pytest

from meshsim.cli.command import Parser
from meshsim.cli.logs import COMMAND, options_of
from meshsim.kit.errors import UsageError


def _options(*words: str) -> dict[str, str]:
    parser = Parser()
    COMMAND.add_flags(parser)
    return options_of(parser.parse_args(["web-1", *words]))


def test_each_flag_is_an_option_of_the_api_and_what_is_usual_is_left_out() -> None:
    assert _options() == _options("--tail", "-1") == {}
    assert _options("-f", "-p", "-c", "web", "--tail", "0", "--since", "1m30s", "--timestamps") == {
        "container": "web",
        "follow": "true",
        "previous": "true",
        "timestamps": "true",
        "tailLines": "0",
        "sinceSeconds": "90",
    }


@pytest.mark.parametrize("tail", ["x", "-2", "", "1.5"])
def test_a_tail_is_a_number_of_lines(tail: str) -> None:
    with pytest.raises(UsageError, match="is no number of lines"):
        _options(f"--tail={tail}")
