"""Command lines of planes: one sentence for what is wrong, and types for what flags hold."""

import argparse
from typing import NoReturn

from meshsim.kit.errors import ExitCode

_LAST_PORT = 65535


class PlaneParser(argparse.ArgumentParser):
    """An argument parser that ends the process with one sentence and where to read more."""

    def error(self, message: str) -> NoReturn:
        self.exit(ExitCode.USAGE, f"Error: {message}\nRun '{self.prog} --help' for usage.\n")


def port(text: str) -> int:
    """An argparse type: a port, 0 for a free one."""
    if not (text.isascii() and text.isdigit()) or int(text) > _LAST_PORT:
        raise argparse.ArgumentTypeError(f'"{text}" is not a port: 0 to {_LAST_PORT}')
    return int(text)


def count(text: str) -> int:
    """An argparse type: a whole number from 1."""
    if not (text.isascii() and text.isdigit()) or int(text) < 1:
        raise argparse.ArgumentTypeError(f'"{text}" is not a number from 1')
    return int(text)
