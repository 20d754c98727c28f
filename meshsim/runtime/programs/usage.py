"""What programs use, asked of the operating system. Blocking: measure in a thread."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import psutil

from meshsim.runtime.containers.containers import Usage

Family = tuple[psutil.Process, ...]
"""A process and its descendants, as far as they are known."""

_COUNTS_IO: Final = hasattr(psutil.Process, "io_counters")
"""macOS doesn't tell what a process reads and writes."""
_UNKNOWN: Final = (psutil.Error, OSError)
"""Of a process that is gone or another user's, or when this one can open no more files."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What a family uses, and who belongs to it."""

    usage: Usage
    family: Family


def measured(leaders: Iterable[int]) -> Mapping[int, Measured]:
    """What each of these processes and its descendants use; those that are gone are left out.

    Raises OSError when this process can open no more files.
    """
    children: defaultdict[int, list[psutil.Process]] = defaultdict(list)
    known: dict[int, psutil.Process] = {}
    for process in psutil.process_iter(["ppid"]):
        known[process.pid] = process
        children[process.info["ppid"]].append(process)
    families = {leader: tuple(_family(known[leader], children)) for leader in leaders if leader in known}
    return {leader: Measured(_usage(family), family) for leader, family in families.items()}


def cpu_s(family: Family) -> float:
    """Seconds of CPU that those who are left have used, with those of children that they waited for."""
    total = 0.0
    for member in family:
        try:
            times = member.cpu_times()
        except _UNKNOWN:
            continue
        # What children that have ended used is theirs no more; the parent that waited for them has it.
        total += times.user + times.system + times.children_user + times.children_system
    return total


def _family(leader: psutil.Process, children: Mapping[int, list[psutil.Process]]) -> Iterator[psutil.Process]:
    yield leader
    for child in children.get(leader.pid, ()):
        yield from _family(child, children)


def _usage(family: Family) -> Usage:
    memory_bytes, read_bytes, written_bytes = 0, 0, 0
    for member in family:
        try:
            memory_bytes += member.memory_info().rss
            if _COUNTS_IO:
                io = member.io_counters()
                read_bytes += io.read_bytes
                written_bytes += io.write_bytes
        except _UNKNOWN:
            continue
    io_bytes = (read_bytes, written_bytes) if _COUNTS_IO else (None, None)
    return Usage(cpu_s(family), memory_bytes, read_bytes=io_bytes[0], written_bytes=io_bytes[1])
