"""Who a controller is, so that another one on the same machine can see whether it still runs."""

import os
import socket
from contextlib import suppress

import psutil

_SAME_START_S = 0.5


def own_identity() -> str:
    """`host_pid_start` of this process, the start in seconds after the machine's, which no clock that jumps moves."""
    process = psutil.Process()
    return f"{_host()}_{process.pid}_{_started_s(process):.2f}"


def is_gone(identity: str) -> bool:
    """Whether it names a process of this machine that has ended; false of all that cannot be looked at from here."""
    host, _, process = identity.partition("_")
    pid, _, started = process.partition("_")
    if host != _host() or not pid.isdecimal():
        return False
    try:
        found = psutil.Process(int(pid))
        is_another = abs(_started_s(found) - float(started)) > _SAME_START_S
        return is_another or found.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
    except (psutil.Error, ValueError, OverflowError):
        return False


def _host() -> str:
    """The machine; of containers each is one, even where they share a name: they do not see each other's processes."""
    name = socket.gethostname().replace("_", "-")
    with suppress(OSError):
        return f"{name}/{os.stat('/proc/self/ns/pid').st_ino}"
    return name


def _started_s(process: psutil.Process) -> float:
    return process.create_time() - psutil.boot_time()
