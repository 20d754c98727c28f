"""Ends the programs of a node that was killed.

The node starts this as a process of its own and tells it, on its standard input, which process groups live: `+123`
for one that began, `-123` for one that ended. When the input ends, the node is gone, however it went: every group
that still lives is killed. It imports nothing but the interpreter needs, because it is always there.
"""

import os
import signal
import sys
from collections.abc import Iterable


def watch(lines: Iterable[str]) -> set[int]:
    """The process groups that live once the lines have ended."""
    living: set[int] = set()
    for line in lines:
        sign, group = line[:1], line[1:].strip()
        if group.isdecimal():
            (living.add if sign == "+" else living.discard)(int(group))
    return living


def main() -> None:
    """Wait for the node's end, then end what it leaves behind."""
    # A terminal's Ctrl-C and a service manager's SIGTERM are for the node: it ends first, then this.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    for group in watch(sys.stdin):
        try:
            os.killpg(group, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            continue


if __name__ == "__main__":
    main()
