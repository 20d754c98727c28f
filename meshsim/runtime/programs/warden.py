"""Ends the programs of a node that was killed, and what a program leaves behind.

The node starts this as a process of its own and tells it, on its standard input, which process groups live: `+123`
for one that began, `-123` for one that ended. When the input ends, the node is gone, however it went: every group
that still lives is killed, and then whatever has left its group but carries the mark of the node's programs in its
environment. It imports nothing but the interpreter needs, because it is always there.
"""

import os
import signal
import sys
from collections.abc import Iterable

MARK = "MESHSIM_RUN"
"""The variable that every program of a node has: the node's own name of itself, a slash, the run."""
_ROUNDS = 100


def watch(lines: Iterable[str]) -> set[int]:
    """The process groups that live once the lines have ended."""
    living: set[int] = set()
    for line in lines:
        sign, group = line[:1], line[1:].strip()
        if group.isdecimal():
            (living.add if sign == "+" else living.discard)(int(group))
    return living


def end_marked(mark: str) -> None:
    """Kill every process whose environment has a MARK that begins so, daemons in sessions of their own too.

    Finds them where the system shows environments under /proc, as Linux does; elsewhere it does nothing.
    """
    for _ in range(_ROUNDS):
        # Again, for one of them may just have started another.
        found = _marked(f"\0{MARK}={mark}".encode())
        if not found:
            return
        for process in found:
            try:
                os.kill(process, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                continue


def _marked(entry: bytes) -> list[int]:
    try:
        names = os.listdir("/proc")
    except OSError:
        return []
    return [int(name) for name in names if name.isdecimal() and entry in b"\0" + _environment(name)]


def _environment(process: str) -> bytes:
    """Empty for one that has ended or is somebody else's."""
    try:
        with open(f"/proc/{process}/environ", "rb") as file:
            return file.read()
    except OSError:
        return b""


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
    end_marked(sys.argv[1])


if __name__ == "__main__":
    main()
