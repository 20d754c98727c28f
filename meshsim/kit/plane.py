"""The shell that every long-running process shares: flags, signals, readiness, one sentence on failure.

A parent passes `--ready-fd N`; the process writes one JSON line of its addresses there once it serves, and the
parent learns the ports that were free. `--lifeline-fd N` is the read end of a pipe whose other end the parent
holds: when the parent is gone, however it went, the pipe closes and the process ends too.
"""

import argparse
import asyncio
import contextlib
import json
import logging
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping

from meshsim.kit.clock import Clock, clock_of
from meshsim.kit.errors import ExitCode, MeshsimError, UsageError

Serve = Callable[["Plane"], Awaitable[None]]


class Plane:
    """One running process: its clock, its readiness, its end."""

    def __init__(self, flags: argparse.Namespace) -> None:
        try:
            self.clock: Clock = clock_of(flags.clock)
        except ValueError:
            raise UsageError(f'--clock "{flags.clock}" is not real,shown,speed') from None
        self.stopping = asyncio.Event()
        self._ready_fd: int | None = flags.ready_fd

    def ready(self, addresses: Mapping[str, str]) -> None:
        """Say once, to whoever started this process, where it serves: name → `host:port`."""
        if self._ready_fd is None:
            return
        with contextlib.suppress(OSError), os.fdopen(self._ready_fd, "w") as pipe:
            pipe.write(json.dumps(dict(addresses)) + "\n")
        self._ready_fd = None


def add_plane_flags(parser: argparse.ArgumentParser) -> None:
    """The flags every plane has."""
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default %(default)s)")
    parser.add_argument("--clock", default=os.environ.get("MESHSIM_CLOCK"), help=argparse.SUPPRESS)
    parser.add_argument("--ready-fd", type=int, default=None, help=argparse.SUPPRESS)
    parser.add_argument("--lifeline-fd", type=int, default=None, help=argparse.SUPPRESS)


def run_plane(serve: Serve, flags: argparse.Namespace) -> int:
    """Run a plane until SIGTERM, SIGINT, the parent's end or its own; returns the exit code.

    `serve` starts everything, calls `plane.ready(…)`, awaits `plane.stopping` and closes what it opened. What
    it raises as MeshsimError is printed as one sentence.
    """
    logging.getLogger("aiohttp.server").addFilter(_is_not_the_clients_fault)
    try:
        with asyncio.Runner(loop_factory=_new_loop) as runner:
            runner.run(_serve_until_stopped(serve, flags))
    except MeshsimError as error:
        print(f"Error: {error}", file=sys.stderr)  # noqa: T201 - people read this
        return error.exit_code
    except KeyboardInterrupt:
        return ExitCode.DONE
    return ExitCode.DONE


def _is_not_the_clients_fault(record: logging.LogRecord) -> bool:
    """Drops what aiohttp says, at length, of bytes that are no HTTP: anybody may send any."""
    failure = record.exc_info[0] if record.exc_info else None
    return failure is None or failure.__module__ != "aiohttp.http_exceptions"


def _new_loop() -> asyncio.AbstractEventLoop:
    if sys.platform == "win32":
        return asyncio.new_event_loop()
    import uvloop  # noqa: PLC0415 - not on Windows

    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop


async def _serve_until_stopped(serve: Serve, flags: argparse.Namespace) -> None:
    plane = Plane(flags)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, plane.stopping.set)
    if flags.lifeline_fd is not None:
        # Readable means end of file: the parent never writes.
        loop.add_reader(flags.lifeline_fd, plane.stopping.set)
    await serve(plane)
