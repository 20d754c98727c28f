"""`meshsim load`: a bounded, open-loop stream of GET requests, counted by the version that answered."""

import argparse
import asyncio
import selectors
import signal
import sys
from contextlib import suppress
from typing import Final

import msgspec
import yaml

from meshsim.cli.command import Command, duration
from meshsim.cli.connection import traffic_url
from meshsim.kit.chance import draws
from meshsim.kit.clock import Clock, LoopClock
from meshsim.kit.errors import ExitCode
from meshsim.kit.tasks import TaskOwner
from meshsim.load.arrivals import Arrivals, arrivals
from meshsim.load.generator import Generator, Limits
from meshsim.load.report import Report, report_of
from meshsim.load.samples import Sample, Tallies
from meshsim.load.target import Target, target_of

_FLUSH_S: Final = 0.05
_LATE_SHARE: Final = 0.01
_JSON_LINES: Final = "jsonl"
_MAX_RPS: Final = 100_000
_MAX_CONNECTIONS: Final = 512  # select() knows file descriptors up to 1024
_UNANSWERED: Final = "(none)"

_DESCRIPTION: Final = """\
Send GET requests at a steady mean rate and count them by the version that answered (the x-version header).

The loop is open: a request begins when it is due, whatever has become of the earlier ones, and its latency
counts from that instant. Ctrl-C ends the run early and prints what there is."""


def add_flags(parser: argparse.ArgumentParser) -> None:
    """The flags of `meshsim load`."""
    parser.add_argument("--url", help="where to (default: the proxy of the running mesh, else http://127.0.0.1:8080/)")
    parser.add_argument("--host", metavar="NAME", help="the Host header to send, such as my-app (default: the URL's)")
    parser.add_argument("--rps", type=_rate, default=50.0, metavar="N", help="mean requests a second (default 50)")
    parser.add_argument(
        "--duration", type=_some_time, default=10.0, metavar="TIME", help="how long: 20s, 1m30s (default 10s)"
    )
    parser.add_argument(
        "--arrivals",
        type=Arrivals,
        choices=list(Arrivals),
        default=Arrivals.POISSON,
        help="poisson, as from many users, or uniform (default %(default)s)",
    )
    parser.add_argument(
        "--connections", type=_connections, default=64, metavar="N", help="at most so many (default %(default)s)"
    )
    parser.add_argument(
        "--timeout", type=_some_time, default=10.0, metavar="TIME", help="a request fails after this (default 10s)"
    )
    parser.add_argument("--seed", type=int, metavar="N", help="repeat the arrivals of a run with the same seed")
    parser.add_argument("--allow-remote", action="store_true", help="let the load leave this machine")
    parser.add_argument(
        "-o",
        "--output",
        choices=sorted((*_PRINTED, _JSON_LINES)),
        default="table",
        help="json and yaml are the same rows as data, jsonl is a line for each request as it ends",
    )


def _rate(text: str) -> float:
    with suppress(ValueError):
        number = float(text)
        if 0 < number < _MAX_RPS:
            return number
    raise argparse.ArgumentTypeError(f'"{text}" is not a rate: requests a second, above 0 and below {_MAX_RPS}')


def _some_time(text: str) -> float:
    seconds = duration(text)
    if seconds == 0:
        raise argparse.ArgumentTypeError("a time above zero, please")
    return seconds


def _connections(text: str) -> int:
    number = int(text)
    if not 0 < number <= _MAX_CONNECTIONS:
        raise argparse.ArgumentTypeError(f"1 to {_MAX_CONNECTIONS}, please")
    return number


def run(flags: argparse.Namespace) -> int:
    """Run the load; 0 when no request failed, 1 otherwise."""
    target = target_of(flags.url or traffic_url(), flags.host, allow_remote=flags.allow_remote)
    with asyncio.Runner(loop_factory=_exact_loop) as runner:
        return runner.run(_run(flags, target))


def _exact_loop() -> asyncio.AbstractEventLoop:
    # select() waits to the microsecond; epoll, and uvloop with it, rounds every wait up to a millisecond, which
    # would stand in each latency.
    return asyncio.SelectorEventLoop(selectors.SelectSelector())


class _Lines:
    """Samples as JSON lines on stdout, written a few times a second."""

    def __init__(self) -> None:
        self._encoder = msgspec.json.Encoder()
        self._pending = bytearray()

    def add(self, sample: Sample) -> None:
        self._pending += self._encoder.encode(sample) + b"\n"

    def flush(self) -> None:
        sys.stdout.buffer.write(self._pending)
        sys.stdout.buffer.flush()
        self._pending.clear()

    async def keep_flushing(self, clock: Clock) -> None:
        while True:
            await clock.sleep(_FLUSH_S)
            self.flush()


async def _run(flags: argparse.Namespace, target: Target) -> int:
    clock, loop = LoopClock(), asyncio.get_running_loop()
    tallies, lines = Tallies(), _Lines()

    def on_sample(sample: Sample) -> None:
        tallies.add(sample)
        if flags.output == _JSON_LINES:
            lines.add(sample)

    generator = Generator(target, Limits(flags.connections, flags.timeout), on_sample, clock)
    for number in (signal.SIGINT, signal.SIGTERM):
        with suppress(NotImplementedError):
            loop.add_signal_handler(number, generator.stop)
    began_s = loop.time()
    # When nobody reads the lines any more the run ends; the last flush says why.
    async with TaskOwner(on_failure=lambda *_: generator.stop()) as tasks:
        tasks.start(lines.keep_flushing(clock), "flush")
        await generator.run(arrivals(flags.arrivals, flags.rps, flags.duration, draws(flags.seed, "arrivals")))
    lines.flush()
    report = report_of(tallies, loop.time() - began_s if generator.is_stopped else flags.duration)
    if flags.output != _JSON_LINES:
        sys.stdout.write(_PRINTED[flags.output](report))
    if generator.late > report.requests * _LATE_SHARE:
        _say(f"{generator.late} requests began late: every connection was busy, or this machine is")
    if hint := hint_of(report, flags.host):
        _say(hint)
    return ExitCode.FAILED if report.failed else ExitCode.DONE


def hint_of(report: Report, host: str | None) -> str | None:
    """What to look at when no request reached a pod, and all failed in the same way."""
    if len(report.failures) != 1 or report.failed < report.requests or any(row.version for row in report.rows):
        return None
    (reason,) = report.failures
    name = host or "the URL's host"
    return {
        "connection refused": "Nobody listens there: `meshsim ps` shows where the meshes that run take requests.",
        "404": f"No route of {name} takes this path: `meshsim get vs -A -o yaml` shows what the routes match.",
        "503": f"Nobody answers for {name}: `meshsim get vs -A` and `get svc -A` show the names to give --host,"
        " `get pods -A` whether their pods are ready.",
    }.get(reason)


def _table(report: Report) -> str:
    header = ("VERSION", "REQUESTS", "SHARE", "FAILED", "RPS", "P50", "P99")
    rows = [
        (
            row.version or _UNANSWERED,
            f"{row.requests}",
            f"{row.share:.1%}",
            f"{row.failed}",
            f"{row.rps:.1f}",
            f"{row.p50_ms:.1f}ms",
            f"{row.p99_ms:.1f}ms",
        )
        for row in report.rows
    ]
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    lines = ["   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in (header, *rows)]
    lines += [f"{count} failed: {reason}" for reason, count in report.failures.items()]
    return "".join(line.rstrip() + "\n" for line in lines)


def _json(report: Report) -> str:
    return msgspec.json.format(msgspec.json.encode(report), indent=2).decode() + "\n"


def _yaml(report: Report) -> str:
    return yaml.safe_dump(msgspec.to_builtins(report), sort_keys=False)


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")


_PRINTED: Final = {"table": _table, "json": _json, "yaml": _yaml}

COMMAND: Final = Command(add_flags, run, _DESCRIPTION)
