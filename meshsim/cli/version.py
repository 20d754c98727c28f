"""`meshsim version`."""

import argparse
import platform
import sys
from typing import Final

from meshsim import __version__
from meshsim.cli.command import Command
from meshsim.kit.errors import ExitCode


def _add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--short", action="store_true", help="the version alone")


def _run(flags: argparse.Namespace) -> int:
    sys.stdout.write(f"meshsim: {__version__}\n")
    if not flags.short:
        sys.stdout.write(
            f"  PythonVersion: {platform.python_version()}\n  Platform: {sys.platform}/{platform.machine()}\n"
        )
    return ExitCode.DONE


COMMAND: Final = Command(_add_flags, _run)
