"""What a verb's module gives the command line: its flags and what it does."""

import argparse
from collections.abc import Callable
from typing import NamedTuple, NoReturn

from meshsim.kit.durations import DurationError, parse_duration
from meshsim.kit.errors import UsageError


class Command(NamedTuple):
    """One verb. `run` returns the exit code, or raises a MeshsimError that is printed as one sentence."""

    add_flags: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]
    description: str = ""
    """What `--help` says above the flags; the verb's summary when empty."""


class Parser(argparse.ArgumentParser):
    """An argument parser whose complaints are UsageErrors: one sentence, and where to read more."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}\nRun '{self.prog} --help' for usage.")


def duration(text: str) -> float:
    """An argparse type: seconds in `90`, `90s`, `1m30s` or `500ms`."""
    try:
        return parse_duration(text)
    except DurationError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def add_namespace_flag(parser: argparse.ArgumentParser) -> None:
    """`-n/--namespace`, as every verb on objects has it."""
    parser.add_argument("-n", "--namespace", default="default", help="namespace of the objects (default %(default)s)")


def add_kubeconfig_flag(parser: argparse.ArgumentParser) -> None:
    """`--kubeconfig`: which API to talk to."""
    parser.add_argument(
        "--kubeconfig",
        metavar="PATH",
        help="talk to the API of this kubeconfig (default: MESHSIM_KUBECONFIG, else the running `meshsim up`)",
    )
