"""The load generator: wrk, told by a script what to send and how fast."""

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from loadtest.bench.scenarios import Scenario

HOST: Final = "bench.example.com"
INSTALL: Final = "apt-get install wrk"
_SCRIPT: Final = Path(__file__).parent / "drive.lua"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a round of load gave."""

    requests: int
    took_us: int
    failed: int
    p50_us: int
    p99_us: int

    @property
    def per_s(self) -> float:
        """Requests a second."""
        return self.requests * 1e6 / self.took_us


def is_installed() -> bool:
    """Whether there is a wrk."""
    return shutil.which("wrk") is not None


def drive(port: int, scenario: Scenario, seconds: int, rate: float | None = None) -> Outcome:
    """One round of load on a port of 127.0.0.1; `rate` is how many requests a second all connections send."""
    wait_ms = 0.0 if rate is None else 1000.0 * scenario.connections / rate
    command = [
        "wrk", "-t1", f"-c{scenario.connections}", f"-d{seconds}s", "--timeout=10s", "-s", str(_SCRIPT),
        "-H", f"Host: {HOST}",
        *([] if scenario.keeps_connections else ["-H", "Connection: close"]),
        f"http://127.0.0.1:{port}{scenario.path}", "--", str(scenario.body_bytes), f"{wait_ms:.3f}",
    ]  # fmt: skip
    run = subprocess.run(command, capture_output=True, text=True, check=True, timeout=seconds + 30)
    return Outcome(**json.loads(run.stdout.strip().splitlines()[-1]))
