"""Load for a host of the mesh, counted by the version that answers.

locust -f loadtest/locustfile.py --headless -u 20 -r 20 -t 20s --host http://127.0.0.1:8080
"""

import json
import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any

from locust import LoadTestShape, events
from locust.env import Environment
from locust.runners import WorkerRunner
from locust.stats import RequestStats

from loadtest.report import Row, report, table
from loadtest.shapes import SHAPES, users_at
from loadtest.users import Caller

__all__ = ["Caller"]


class _Shaped(LoadTestShape):
    """A shape of ours as locust wants it. Abstract: locust would take it up by itself otherwise."""

    abstract = True
    use_common_options = True

    def __init__(self, environment: Environment, name: str) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.runner = environment.runner
        self._shape = SHAPES[name]
        self._options = _options_of(environment)

    def tick(self) -> tuple[int, float] | None:
        elapsed_s = self.get_run_time()  # type: ignore[no-untyped-call]
        users = users_at(self._shape, elapsed_s, self._options.run_time, self._options.num_users)
        return None if users is None else (users, self._options.spawn_rate)


def _add_options(parser: ArgumentParser) -> None:
    parser.add_argument("--mesh-host", default="my-app", help="the Host header to send (default %(default)s)")
    parser.add_argument("--shape", choices=sorted(SHAPES), help="how the number of users changes over the run")
    parser.add_argument("--report", metavar="FILE", help="write the rows to a file, for python -m loadtest.check")


def _prepare(environment: Environment, **_: Any) -> None:
    options = _options_of(environment)
    if options.shape and not options.run_time:
        sys.exit("--shape needs a run time: -t 2m")
    if environment.host:
        # A URL copied with its last slash would ask for `//`.
        environment.host = environment.host.rstrip("/")
    if options.shape:
        environment.shape_class = _Shaped(environment, options.shape)
    if not isinstance(environment.runner, WorkerRunner):
        events.quit.add_listener(lambda **_: _print_rows(environment))


def _print_rows(environment: Environment) -> None:
    rows = _rows_of(environment.stats)
    print("\n" + table(rows), flush=True)
    path = _options_of(environment).report
    if path:
        Path(path).write_text(json.dumps(report(rows), indent=2) + "\n", encoding="utf-8")


def _rows_of(stats: RequestStats) -> list[Row]:
    total = stats.total.num_requests
    entries = sorted(stats.entries.values(), key=lambda entry: (entry.name.startswith("("), entry.name))
    return [
        Row(
            version=entry.name,
            requests=entry.num_requests,
            share=entry.num_requests / total,
            failed=entry.num_failures,
            p50_ms=entry.get_response_time_percentile(0.5),
            p99_ms=entry.get_response_time_percentile(0.99),
        )
        for entry in entries
    ]


def _options_of(environment: Environment) -> Namespace:
    options = environment.parsed_options
    if not isinstance(options, Namespace):
        raise TypeError("locust runs this file with options")
    return options


events.init_command_line_parser.add_listener(_add_options)
events.init.add_listener(_prepare)
