"""The command line: finds the verb, runs it, prints one sentence when it fails."""

import argparse
import difflib
import os
import sys
from collections.abc import Callable, Sequence
from typing import Final, NoReturn

from meshsim import __version__
from meshsim.cli.command import Parser
from meshsim.cli.verbs import GROUPS, PLANES, VERBS, Plane, Verb
from meshsim.kit.errors import ExitCode, MeshsimError, UsageError

_TRACEBACK: Final = "MESHSIM_TRACEBACK"
_INTERRUPTED: Final = 130  # 128 + SIGINT, as a shell reports it
_BROKEN_PIPE: Final = 141  # 128 + SIGPIPE


def run() -> int:
    """Run the command in sys.argv; returns its exit code."""
    return exit_code_of(lambda: main(sys.argv[1:]))


def exit_code_of(command: Callable[[], int]) -> int:
    """How a command ends, whatever happens in it: nobody is shown a traceback who didn't ask for one."""
    try:
        code = command()
        sys.stdout.flush()
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:
        # The interpreter flushes once more at exit; there must be something to flush to.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _BROKEN_PIPE
    except Exception as error:
        if os.environ.get(_TRACEBACK):
            raise
        _complain(f"a fault in meshsim: {type(error).__name__}: {error}\nSet {_TRACEBACK}=1 to see where.")
        return ExitCode.FAILED
    return code


def main(arguments: Sequence[str]) -> int:
    """Run one command; returns its exit code. Errors a person can act on are printed on stderr."""
    try:
        return _dispatch(list(arguments))
    except MeshsimError as error:
        _complain(str(error))
        return error.exit_code


def _complain(sentence: str) -> None:
    sys.stdout.flush()
    sys.stderr.write(f"Error: {sentence}\n")


def _dispatch(arguments: list[str]) -> int:
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        return _help(arguments[1:])
    name, rest = arguments[0], arguments[1:]
    if name == "--version":
        sys.stdout.write(f"meshsim {__version__}\n")
        return ExitCode.DONE
    plane = next((plane for plane in PLANES if plane.name == name), None)
    if plane is not None:
        _become(plane, rest)
    verb = VERBS.get(name)
    if verb is None:
        raise UsageError(_unknown(name))
    return _run_verb(verb, rest)


def _run_verb(verb: Verb, arguments: list[str]) -> int:
    command = verb.load()
    parser = Parser(
        prog=f"meshsim {verb.name}",
        description=command.description or verb.summary,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    command.add_flags(parser)
    try:
        return command.run(parser.parse_args(arguments))
    except MeshsimError as error:
        if verb.is_argo:
            error.exit_code = ExitCode.FAILED
        raise


def _become(plane: Plane, arguments: list[str]) -> NoReturn:
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-m", plane.module, *arguments])


def _unknown(name: str) -> str:
    known = [*VERBS, *(plane.name for plane in PLANES)]
    close = difflib.get_close_matches(name, known, n=1)
    hint = f', did you mean "{close[0]}"?' if close else ""
    return f"""unknown command "{name}" for "meshsim"{hint}\nRun 'meshsim --help' for usage."""


def _help(arguments: list[str]) -> int:
    if arguments and not arguments[0].startswith("-"):
        return _dispatch([arguments[0], "--help"])
    sections = [
        *((title, [(verb.name, verb.summary) for verb in verbs]) for title, verbs in GROUPS.items()),
        ("Planes, each a process of its own", [(plane.name, plane.summary) for plane in PLANES]),
    ]
    width = max(len(name) for _, rows in sections for name, _ in rows)
    lines = ["Canary releases on Istio and Argo Rollouts, without a cluster.", "", "Usage: meshsim COMMAND [flags]"]
    for title, rows in sections:
        lines += ["", f"{title}:", *(f"  {name:<{width}}  {summary}" for name, summary in rows)]
    lines += ["", "Run 'meshsim COMMAND --help' for the flags of a command, 'meshsim --version' for the version."]
    sys.stdout.write("\n".join(lines) + "\n")
    return ExitCode.DONE
