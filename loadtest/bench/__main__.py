"""`python -m loadtest.bench`: all proxies side by side, round by round, as a table and as JSON."""

import argparse
import contextlib
import json
import platform
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import psutil

from loadtest.bench import wrk
from loadtest.bench.peers import ENVOY, NGINX, PEERS, UPSTREAM, Peer, filled
from loadtest.bench.processes import BenchError, Running, free_ports, get
from loadtest.bench.results import Figures, Round, as_data, figures, table
from loadtest.bench.scenarios import SATURATION, SCENARIOS, Scenario

_REFERENCES: Final = (ENVOY, NGINX)
_SAMPLE: Final = 200
_CANARY_AMONG_SAMPLE: Final = range(15, 70)
"""Of 200 requests 40 are due; independent draws leave this range once in a hundred thousand times."""
_WARM_UP_S: Final = 1


class Bench:
    """Proxies that run side by side in front of the same upstreams."""

    def __init__(self, running: Mapping[str, tuple[Running, int]], seconds: int) -> None:
        """`running` holds each proxy with its port."""
        self._running = running
        self._seconds = seconds

    def check(self) -> None:
        """Each proxy splits as it should. Raises BenchError."""
        for name, (_, port) in self._running.items():
            canary = sum(get(port, wrk.HOST)[1] == "v2" for _ in range(_SAMPLE))
            if canary not in _CANARY_AMONG_SAMPLE:
                raise BenchError(f"{name} sent {canary} of {_SAMPLE} requests to the canary, 40 were due")

    def run(self, scenario: Scenario, rounds: int, rate: float | None) -> dict[str, Figures]:
        """The scenario on each proxy in turn, again and again."""
        for _, port in self._running.values():
            wrk.drive(port, scenario, _WARM_UP_S)
        results: dict[str, list[Round]] = {name: [] for name in self._running}
        for _ in range(rounds):
            for name, (process, port) in self._running.items():
                results[name].append(self._round(process, port, scenario, rate))
        return figures(results, _REFERENCES)

    def _round(self, process: Running, port: int, scenario: Scenario, rate: float | None) -> Round:
        before_s = process.cpu_s()
        outcome = wrk.drive(port, scenario, self._seconds, rate)
        spent_s = process.cpu_s() - before_s
        return Round(
            per_s=outcome.per_s,
            p50_ms=outcome.p50_us / 1000,
            p99_ms=outcome.p99_us / 1000,
            cpu_us=spent_s * 1e6 / max(1, outcome.requests),
            rss_mb=process.rss_bytes() / 1e6,
            failed=outcome.failed,
        )


@contextlib.contextmanager
def started(peers: Sequence[Peer], directory: Path) -> Iterator[dict[str, tuple[Running, int]]]:
    """The upstreams and these proxies, each with its port. Raises BenchError."""
    stable_1, stable_2, canary_1, canary_2, *ports = free_ports(4 + len(peers))
    upstreams = {"STABLE_1": stable_1, "STABLE_2": stable_2, "CANARY_1": canary_1, "CANARY_2": canary_2}
    # nginx reads them as a user of its own.
    directory.chmod(0o755)
    files = directory / "files"
    files.mkdir()
    (files / "16k").write_bytes(b"x" * 16 * 1024)
    (files / "1m").write_bytes(b"x" * 1024 * 1024)
    with contextlib.ExitStack() as stack:
        running: dict[str, tuple[Running, int]] = {}
        for peer, port in zip((UPSTREAM, *peers), (stable_1, *ports), strict=True):
            values = {name: str(number) for name, number in upstreams.items()} | {"PORT": str(port)}
            values["DIR"] = str(directory)
            if peer.config:
                values["CONFIG"] = str(peer.write_config(directory, values))
            environment = {name: filled(value, values) for name, value in peer.environment.items()}
            process = Running(peer.name, peer.command(values), directory, environment)
            stack.callback(process.stop)
            process.wait_until_it_answers(port, wrk.HOST)
            if peer is not UPSTREAM:
                running[peer.name] = (process, port)
        yield running


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; returns the exit code."""
    flags = _parser().parse_args(arguments)
    wanted = [peer for peer in PEERS if peer.name in flags.peers]
    missing = [peer for peer in wanted if peer.found() is None]
    if UPSTREAM.found() is None or not wrk.is_installed():
        print(f"bench: nginx (the upstreams) and wrk (the load) are needed: {UPSTREAM.install}; {wrk.INSTALL}")
        return 1
    for peer in missing:
        print(f"{peer.name} is not installed and left out: {peer.install}")
    try:
        with tempfile.TemporaryDirectory(prefix="meshsim-bench-") as directory:
            peers = [peer for peer in wanted if peer not in missing]
            with started(peers, Path(directory)) as running:
                results = _measure(Bench(running, flags.seconds), flags)
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    if flags.json:
        about = {"machine": machine(), "rounds": flags.rounds, "seconds": flags.seconds}
        flags.json.write_text(json.dumps({**about, "scenarios": as_data(results)}, indent=2) + "\n")
    return 0


def _measure(bench: Bench, flags: argparse.Namespace) -> dict[str, dict[str, Figures]]:
    bench.check()
    print(f"{machine()}; {flags.rounds} rounds of {flags.seconds} s, interleaved; medians\n", flush=True)
    results: dict[str, dict[str, Figures]] = {}
    for scenario in SCENARIOS:
        if scenario.name not in flags.scenarios:
            continue
        rate = None
        if scenario.pace is not None:
            saturated = results.get(SATURATION.name, {}).get(ENVOY)
            if saturated is None:
                print(f"{scenario.says}: left out, it needs envoy and {SATURATION.name}\n")
                continue
            rate = saturated.per_s * scenario.pace
        results[scenario.name] = rows = bench.run(scenario, flags.rounds, rate)
        asked = "" if rate is None else f" ({rate:.0f} requests/s)"
        print(f"{scenario.says}{asked}\n\n{table(rows, _REFERENCES)}\n", flush=True)
    return results


def machine() -> str:
    """What it ran on."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line.partition(":")[2].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        model = names[0] if names else model
    cores = psutil.cpu_count() or 1
    return f"{model}, {cores} cores, {platform.system()} {platform.release()}, Python {platform.python_version()}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m loadtest.bench", description=__doc__)
    names, kinds = [peer.name for peer in PEERS], [scenario.name for scenario in SCENARIOS]
    parser.add_argument("--peers", type=_listed(names), default=names, metavar="A,B", help=f"of {', '.join(names)}")
    parser.add_argument("--scenarios", type=_listed(kinds), default=kinds, metavar="A,B", help=f"of {', '.join(kinds)}")
    parser.add_argument("--rounds", type=int, default=5, help="of each scenario (default %(default)s)")
    parser.add_argument("--seconds", type=int, default=2, help="of load in a round (default %(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    return parser


def _listed(known: Sequence[str]) -> Callable[[str], list[str]]:
    def names(text: str) -> list[str]:
        for name in text.split(","):
            if name not in known:
                raise argparse.ArgumentTypeError(f"{name} is none of {', '.join(known)}")
        return text.split(",")

    return names


if __name__ == "__main__":
    sys.exit(main())
