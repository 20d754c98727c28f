"""What a group of processes uses, asked of the operating system. Blocking: call it in a thread."""

from collections.abc import Iterable, Mapping

import psutil

from meshsim.runtime.containers import Usage


def usages(leaders: Iterable[int]) -> Mapping[int, Usage]:
    """The CPU and the memory of each of these processes and their descendants; those that are gone are left out."""
    return {leader: usage for leader in leaders if (usage := _usage(leader)) is not None}


def _usage(leader: int) -> Usage | None:
    try:
        process = psutil.Process(leader)
        family = [process, *process.children(recursive=True)]
    except psutil.Error:
        return None
    cpu_s, memory_bytes = 0.0, 0
    for member in family:
        try:
            with member.oneshot():
                times = member.cpu_times()
                memory_bytes += member.memory_info().rss
        except psutil.Error:
            continue
        # What children that have ended used is theirs no more; the parent that waited for them has it.
        cpu_s += times.user + times.system + times.children_user + times.children_system
    return Usage(cpu_s, memory_bytes)
