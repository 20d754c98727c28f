"""A real Prometheus (Debian's package), for those who have one."""

import json
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

import pytest

from tests.kits.eventually import eventually_blocking


def needs_prometheus() -> None:
    """Skip, and say what is missing, where there is none."""
    if not shutil.which("prometheus") or not shutil.which("promtool"):
        pytest.skip("no real Prometheus to compare with: install Debian's package `prometheus`")


def free_port() -> int:
    """A port that nobody uses now."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


@contextmanager
def prometheus(directory: Path, port: int, *, scrapes: str = "") -> Iterator[str]:
    """Run one on that port, over the data in the directory; `scrapes` is a host:port to look at each second."""
    configuration = "{}"
    if scrapes:
        configuration = (
            "global: {scrape_interval: 1s}\n"
            "scrape_configs:\n"
            f"- {{job_name: mesh, metrics_path: /stats/prometheus, static_configs: [{{targets: ['{scrapes}']}}]}}\n"
        )
    file = directory / "prometheus.yml"
    file.write_text(configuration)
    process = subprocess.Popen(
        [
            "prometheus",
            f"--config.file={file}",
            f"--storage.tsdb.path={directory / 'data'}",
            "--storage.tsdb.retention.time=100y",
            f"--web.listen-address=127.0.0.1:{port}",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"

    # It begins to look a few seconds after it is ready.
    query = f"{url}/api/v1/query?query={'up' if scrapes else '1'}"

    def is_ready() -> bool:
        with urlopen(query, timeout=2) as reply:
            return bool(json.load(reply)["data"]["result"])

    try:
        eventually_blocking(is_ready, within_s=30, ignoring=(OSError,))
        yield url
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
