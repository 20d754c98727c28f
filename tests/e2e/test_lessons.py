"""The examples that teach: what goes wrong in each of them, in numbers, and what makes it right."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.kits.eventually import eventually_blocking
from tests.kits.processes import REPOSITORY
from tests.kits.up import Mesh, mesh

EXAMPLES = REPOSITORY / "examples"


@dataclass
class Load:
    """What an open loop of callers met."""

    requests: int = 0
    failures: dict[str, int] = field(default_factory=dict)


@contextmanager
def load(up: Mesh, rps: int) -> Iterator[Load]:
    """Callers who don't wait for each other, until the block ends."""
    met = Load()
    process = subprocess.Popen(
        [
            sys.executable, "-m", "meshsim", "load", "--url", up.addresses["traffic"], "--host", "my-app",
            "--rps", str(rps), "--duration", "5m", "--connections", "256", "--seed", "1", "-o", "json",
        ],
        stdout=subprocess.PIPE,
        cwd=REPOSITORY,
    )  # fmt: skip
    try:
        yield met
    finally:
        process.send_signal(signal.SIGINT)
        told, _ = process.communicate(timeout=30)
    result = json.loads(told)
    met.requests, met.failures = result["requests"], result.get("failures") or {}


@contextmanager
def healthy(state: Path, example: Path, speed: int, *flags: str) -> Iterator[Mesh]:
    with mesh(state, "--speed", str(speed), *flags, manifests=[str(example)]) as up:
        eventually_blocking(lambda: up.is_at("Healthy"), within_s=60)
        eventually_blocking(up.serves, within_s=30)
        yield up


def promoted_in_full_at_34_percent(state: Path, argo_version: str) -> Load:
    with healthy(state, EXAMPLES / "promote-full", 5, "--argo-version", argo_version) as up, load(up, rps=220) as met:
        up.cli("set", "image", "my-app", "my-app=my-app:v2")
        eventually_blocking(lambda: up.is_at("Paused", step=2), within_s=60)
        up.cli("promote", "my-app", "--full")
        eventually_blocking(lambda: up.is_at("Healthy"), within_s=60)
    return met


def test_argo_1_1_promotes_in_full_before_the_pods_can_bear_it(tmp_path: Path) -> None:
    met = promoted_in_full_at_34_percent(tmp_path, "1.1")
    # 220 requests a second meet 3 pods of 50 each; 4 s pass (20 on the clock) until there are 6, and three queues of
    # 15 take up the first of the 70 that are too many each second.
    assert met.failures.keys() == {"503"}
    assert 100 <= met.failures["503"] <= 400


def test_argo_1_10_promotes_in_full_as_the_pods_come_up(tmp_path: Path) -> None:
    met = promoted_in_full_at_34_percent(tmp_path, "1.10")
    assert (met.failures, met.requests > 500) == ({}, True)


def released_with_late_endpoints(state: Path, example: Path) -> Load:
    with healthy(state, example, 10, "--lag", "endpoints=3s") as up, load(up, rps=200) as met:
        up.cli("set", "image", "my-app", "my-app=my-app:v2")
        eventually_blocking(lambda: up.is_at("Paused"), within_s=60)
        eventually_blocking(lambda: up.is_at("Healthy"), within_s=60)
        # The last endpoints are yet to come.
        served = up.counted("istio_requests_total", destination_version="v2", response_code="200")
        eventually_blocking(
            lambda: up.counted("istio_requests_total", destination_version="v2", response_code="200") > served + 400,
            within_s=30,
        )
    return met


def test_late_endpoints_make_a_burst_of_503_at_the_end_of_a_rollout(tmp_path: Path) -> None:
    met = released_with_late_endpoints(tmp_path, EXAMPLES / "end-of-rollout")
    # 3 s on the clock are 0.3 s of 200 requests a second.
    assert met.failures.keys() == {"503"}
    assert 20 <= met.failures["503"] <= 150


def test_a_scale_down_delay_removes_the_burst(tmp_path: Path) -> None:
    example = tmp_path / "example"
    example.mkdir()
    for file in (EXAMPLES / "end-of-rollout").iterdir():
        text = file.read_text().replace("dynamicStableScale: true", "scaleDownDelaySeconds: 30")
        (example / file.name).write_text(text)
    met = released_with_late_endpoints(tmp_path, example)
    assert (met.failures, met.requests > 500) == ({}, True)
