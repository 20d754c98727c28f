"""Our own programs as real processes: started, waited for until they serve, and ended whatever happens."""

import json
import os
import select
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

_END_WITHIN_S: Final = 10.0
REPOSITORY: Final = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Served:
    """A process that serves; `addresses` are what it told through its ready pipe."""

    process: "subprocess.Popen[bytes]"
    addresses: dict[str, str]


@contextmanager
def serving(
    module: str,
    *arguments: str,
    within_s: float = 30.0,
    stdout: IO[bytes] | None = None,
    stderr: int | None = None,
    environment: dict[str, str] | None = None,
) -> Iterator[Served]:
    """Run `python -m module` and hand it out once it is ready; it is ended when the block ends.

    Raises AssertionError when it isn't ready in time.
    """
    ready_fd, child_fd = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-m", module, *arguments, "--ready-fd", str(child_fd)],
        pass_fds=(child_fd,),
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=stderr,
        cwd=REPOSITORY,
        env={**os.environ, **(environment or {})},
    )
    os.close(child_fd)
    try:
        yield Served(process, _told(ready_fd, module, within_s))
    finally:
        os.close(ready_fd)
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(_END_WITHIN_S)
        process.kill()
        process.wait()
        if process.stderr is not None:
            process.stderr.close()


def meshsim(*arguments: str, stdin: str = "", environment: dict[str, str] | None = None) -> "Ran":
    """Run one command of ours to its end."""
    done = subprocess.run(
        [sys.executable, "-m", "meshsim", *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=REPOSITORY,
        env={**os.environ, **(environment or {})},
    )
    return Ran(arguments, done.returncode, done.stdout, done.stderr)


@dataclass(frozen=True, slots=True)
class Ran:
    """A command that ended."""

    arguments: Sequence[str]
    code: int
    out: str
    err: str


def _told(fd: int, module: str, within_s: float) -> dict[str, str]:
    readable, _, _ = select.select([fd], [], [], within_s)
    told = os.read(fd, 65536) if readable else b""
    assert told, f"{module} did not say within {within_s:g} s that it serves"
    addresses = json.loads(told)
    assert isinstance(addresses, dict)
    return addresses
