"""Finding the verb, and what a person reads when there is none."""

from importlib.util import find_spec

import pytest

from meshsim import __version__
from meshsim.cli.command import Parser
from meshsim.cli.main import exit_code_of, main
from meshsim.cli.verbs import PLANES, VERBS, Plane, Verb


def test_no_verb_shows_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    shown = capsys.readouterr().out
    for name in [*VERBS, *(plane.name for plane in PLANES)]:
        assert f"  {name} " in shown


def test_an_unknown_verb_is_a_usage_error_with_the_nearest_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["promot", "my-app"]) == 2
    complaint = capsys.readouterr().err
    assert 'unknown command "promot" for "meshsim", did you mean "promote"?' in complaint
    assert "Run 'meshsim --help' for usage." in complaint


def test_a_verb_like_no_other_suggests_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["xyzzy"]) == 2
    assert "did you mean" not in capsys.readouterr().err


def test_the_version_is_the_packages(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"meshsim {__version__}\n"


def test_a_wrong_flag_of_our_own_verb_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["up", "--port", "http"]) == 2
    assert '"http" is not a port: 0 to 65535' in capsys.readouterr().err


def test_a_wrong_flag_of_argos_verb_ends_with_the_plugins_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["promote", "my-app", "--fulll"]) == 1
    assert "Run 'meshsim promote --help' for usage." in capsys.readouterr().err


@pytest.mark.parametrize("verb", VERBS.values(), ids=lambda verb: verb.name)
def test_every_verb_has_its_module_and_explains_its_flags(verb: Verb) -> None:
    command = verb.load()
    parser = Parser(prog="meshsim")
    command.add_flags(parser)
    assert "--help" in parser.format_help()


@pytest.mark.parametrize("plane", PLANES, ids=lambda plane: plane.name)
def test_every_plane_is_a_package_that_exists(plane: Plane) -> None:
    assert find_spec(plane.module) is not None


def test_a_fault_of_ours_is_a_sentence_not_a_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    def faulty() -> int:
        raise IndexError("list index out of range")

    assert exit_code_of(faulty) == 1
    assert capsys.readouterr().err.splitlines() == [
        "Error: a fault in meshsim: IndexError: list index out of range",
        "Set MESHSIM_TRACEBACK=1 to see where.",
    ]


def test_ctrl_c_is_the_shells_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted() -> int:
        raise KeyboardInterrupt

    assert exit_code_of(interrupted) == 130
    assert capsys.readouterr() == ("", "")
