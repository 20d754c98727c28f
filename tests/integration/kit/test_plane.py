"""Real child processes under the shell that every plane shares."""

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

_PLANE = """
import argparse, asyncio, sys
from meshsim.kit.errors import StartError
from meshsim.kit.plane import add_plane_flags, run_plane

async def serve(plane):
    if flags.fail:
        raise StartError(flags.fail)
    plane.ready({"traffic": "127.0.0.1:1", "shows": str(plane.clock.now())})
    print("serving", flush=True)
    if not flags.leave:
        await plane.stopping.wait()
    print("closed", flush=True)

parser = argparse.ArgumentParser()
add_plane_flags(parser)
parser.add_argument("--fail", default="")
parser.add_argument("--leave", action="store_true")
flags = parser.parse_args()
sys.exit(run_plane(serve, flags))
"""


@dataclass(frozen=True)
class Running:
    process: subprocess.Popen[str]
    ready: int
    """Where the plane says its addresses."""
    lifeline: int
    """What the plane lives as long as."""

    def addresses(self) -> dict[str, str]:
        readable, _, _ = select.select([self.ready], [], [], 10)
        assert readable, "the plane never said that it is ready"
        addresses: dict[str, str] = json.loads(os.read(self.ready, 4096))
        return addresses

    def outcome(self) -> tuple[int, str, str]:
        out, err = self.process.communicate(timeout=10)
        return self.process.returncode, out, err


@contextmanager
def plane(*flags: str, env: dict[str, str] | None = None) -> Iterator[Running]:
    ready_read, ready_write = os.pipe()
    lifeline_read, lifeline_write = os.pipe()
    process = subprocess.Popen(
        [
            sys.executable, "-c", _PLANE, "--ready-fd", str(ready_write), "--lifeline-fd", str(lifeline_read), *flags,
        ],
        pass_fds=(ready_write, lifeline_read),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **(env or {})},
    )  # fmt: skip
    os.close(ready_write)
    os.close(lifeline_read)
    ends = [ready_read, lifeline_write]
    with process:
        try:
            yield Running(process, ready_read, lifeline_write)
        finally:
            process.kill()
            for end in ends:
                os.close(end)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_plane_says_where_it_serves_and_ends_in_good_order_when_it_is_told_to(number: signal.Signals) -> None:
    with plane() as running:
        assert running.addresses()["traffic"] == "127.0.0.1:1"
        running.process.send_signal(number)
        assert running.outcome() == (0, "serving\nclosed\n", "")


def test_a_plane_ends_when_its_parent_is_gone() -> None:
    with plane() as running:
        running.addresses()
        os.dup2(running.ready, running.lifeline)  # closes our end of the lifeline, as the end of a parent does
        assert running.outcome() == (0, "serving\nclosed\n", "")


def test_a_plane_whose_work_is_done_ends_by_itself() -> None:
    with plane("--leave") as running:
        assert running.outcome() == (0, "serving\nclosed\n", "")


def test_a_plane_that_cannot_start_says_why_in_one_sentence() -> None:
    with plane("--fail", "port 8080 on 127.0.0.1 is in use") as running:
        assert running.outcome() == (5, "", "Error: port 8080 on 127.0.0.1 is in use\n")


def test_a_plane_serves_on_when_nobody_listens_to_its_addresses() -> None:
    with plane() as running:
        os.dup2(running.lifeline, running.ready)
        line = running.process.stdout.readline() if running.process.stdout else ""
        assert line == "serving\n"
        running.process.terminate()
        assert running.outcome()[0] == 0


@pytest.mark.parametrize(("flags", "env"), [(["--clock", "0,5e9,1"], {}), ([], {"MESHSIM_CLOCK": "0,5e9,1"})])
def test_a_plane_runs_on_the_clock_that_it_is_given(flags: list[str], env: dict[str, str]) -> None:
    with plane(*flags, env=env) as running:
        # 5e9 shown at the epoch's zero, at the speed of real time: always years ahead of it.
        assert float(running.addresses()["shows"]) > 6e9


def test_a_clock_that_makes_no_sense_is_one_sentence() -> None:
    with plane("--clock", "noon") as running:
        assert running.outcome() == (2, "", 'Error: --clock "noon" is not real,shown,speed\n')
