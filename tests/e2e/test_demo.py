"""The demo as people run it: the whole release, its report, its picture, and what is left when it is broken off."""

import contextlib
import json
import os
import pty
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import psutil
import pytest

from tests.kits.eventually import eventually_blocking
from tests.kits.processes import REPOSITORY, meshsim
from tests.kits.up import gone

_PAUSES = ["2 pause 60s", "5 pause 60s", "8 pause 60s"]


def test_a_demo_releases_v2_without_a_failed_request_and_reports_weight_against_share(tmp_path: Path) -> None:
    ran = meshsim(
        "demo", "--speed", "20", "--rps", "200", "--seed", "7", "-o", "json",
        environment={"XDG_STATE_HOME": str(tmp_path)},
    )  # fmt: skip
    assert ran.code == 0, ran.err + ran.out
    report = json.loads(ran.out)
    assert (report["phase"], report["pods"], report["problems"]) == ("Healthy", {"v2": 6}, [])
    assert report["failed"] == 0
    assert report["upstream_attempts"] == report["requests"] > 1500
    assert report["old_pods_gone_after_s"] < 30
    steps = {step["step"]: step for step in report["steps"]}
    assert [steps[pause]["weight"] for pause in _PAUSES] == [0, 0.34, 0.67]
    assert (steps["before the release"]["weight"], steps["after the last step"]["weight"]) == (0, 1)
    for step in report["steps"]:
        assert step["low"] <= step["observed"] <= step["high"], step
        assert step["is_chance"], step
    assert [steps[pause]["dispersion"] is None for pause in _PAUSES] == [True, False, False]
    assert "$ meshsim set image my-app my-app=my-app:v2" in ran.err
    assert "step 8/9 pause 60s (3s here)" in ran.err


def test_a_release_that_takes_too_long_ends_with_1_and_says_where_it_stands(tmp_path: Path) -> None:
    ran = meshsim("demo", "--timeout", "1s", "-o", "json", environment={"XDG_STATE_HOME": str(tmp_path)})
    assert ran.code == 1, ran.err
    report = json.loads(ran.out)
    assert (report["phase"], report["failed"]) == ("Paused", 0)
    assert "the rollout is Paused, not Healthy" in report["problems"]
    assert report["old_pods_gone_after_s"] is None


class _Terminal:
    """A demo on a terminal of its own."""

    def __init__(self, process: "subprocess.Popen[bytes]", screen: IO[bytes]) -> None:
        self.process = process
        self.seen = ""
        self._screen = screen

    def shows(self, text: str) -> bool:
        """The text was on the screen at some time."""
        with contextlib.suppress(BlockingIOError, OSError):
            while data := self._screen.read(65536):
                self.seen += data.decode(errors="replace")
        return text in self.seen

    def ended_with(self, code: int) -> bool:
        """The demo has ended so. What it still draws is read meanwhile: nobody draws on a terminal that is full."""
        self.shows("")
        return self.process.poll() == code


@contextlib.contextmanager
def _on_a_terminal(state: Path, *flags: str) -> Iterator[_Terminal]:
    outer, inner = pty.openpty()
    os.set_blocking(outer, False)
    environment = {
        **os.environ,
        "XDG_STATE_HOME": str(state),
        "TERM": "xterm-256color",
        "COLUMNS": "110",
        "LINES": "42",
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "meshsim", "demo", *flags],
        stdin=inner, stdout=inner, stderr=inner, cwd=REPOSITORY, env=environment,
    )  # fmt: skip
    os.close(inner)
    try:
        with os.fdopen(outer, "rb", buffering=0) as screen:
            yield _Terminal(process, screen)
    finally:
        process.kill()
        process.wait()


def test_on_a_terminal_the_release_is_drawn_and_ctrl_c_ends_everything(tmp_path: Path) -> None:
    with _on_a_terminal(tmp_path) as terminal:
        eventually_blocking(
            lambda: terminal.shows("before a v2") or terminal.shows("requests a second go to v1"), within_s=30
        )
        eventually_blocking(lambda: terminal.shows("▶"), within_s=30)
        eventually_blocking(lambda: terminal.shows("s left"), within_s=30)
        assert terminal.shows("share of v2")
        everything = [
            psutil.Process(terminal.process.pid),
            *psutil.Process(terminal.process.pid).children(recursive=True),
        ]
        assert len(everything) >= 7
        terminal.process.send_signal(signal.SIGINT)
        eventually_blocking(lambda: terminal.ended_with(130), within_s=30)
        eventually_blocking(lambda: gone(everything), within_s=30)
        # The terminal is given back as it was.
        assert terminal.shows("\x1b[?1049l")
        assert terminal.shows("\x1b[?25h")
        assert not terminal.shows("Traceback")


def test_a_demo_that_is_told_to_stop_gives_the_terminal_back(tmp_path: Path) -> None:
    with _on_a_terminal(tmp_path) as terminal:
        eventually_blocking(lambda: terminal.shows("\x1b[?1049h"), within_s=30)
        terminal.process.terminate()
        eventually_blocking(lambda: terminal.ended_with(143), within_s=30)
        assert terminal.shows("\x1b[?1049l")
        assert not terminal.shows("Traceback")


@pytest.mark.parametrize("signal_number", [signal.SIGTERM, signal.SIGKILL])
def test_a_demo_that_is_ended_leaves_no_process_behind(signal_number: signal.Signals, tmp_path: Path) -> None:
    with _on_a_terminal(tmp_path, "--plain") as terminal:
        eventually_blocking(lambda: terminal.shows("requests a second go to v1"), within_s=30)
        everything = psutil.Process(terminal.process.pid).children(recursive=True)
        assert len(everything) >= 6
        terminal.process.send_signal(signal_number)
        eventually_blocking(lambda: gone(everything), within_s=30)


def test_a_busy_port_is_one_sentence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        ran = meshsim("demo", "--plain", "--port", str(port), environment={"XDG_STATE_HOME": str(tmp_path)})
    assert ran.code == 5
    assert ran.err.splitlines()[-1].startswith(f"Error: 127.0.0.1:{port}, where the proxy takes requests, is taken")


@pytest.mark.parametrize("flags", [("--speed", "0"), ("--rps", "-1"), ("--rps", "many"), ("--port", "x")])
def test_a_wrong_flag_is_one_sentence(flags: tuple[str, str], tmp_path: Path) -> None:
    ran = meshsim("demo", *flags)
    assert ran.code == 2
    assert ran.err.startswith("Error: ")
    assert "Traceback" not in ran.err
