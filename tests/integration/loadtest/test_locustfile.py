"""locust itself, headless, with our locustfile, against a server of two versions."""

import asyncio
import json
import sys
from itertools import cycle
from pathlib import Path

import pytest

from tests.kits.versioned import Answer, VersionedServer

pytestmark = pytest.mark.asyncio

_REPOSITORY = Path(__file__).resolve().parents[3]


async def _locust(*arguments: str) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "locust", "-f", "loadtest/locustfile.py", "--headless", "--only-summary", *arguments,
        cwd=_REPOSITORY, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, error = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), error.decode()


def _rows(out: str) -> list[list[str]]:
    """The rows below the header, cell by cell."""
    lines = [line.split() for line in out.splitlines() if line]
    [header] = [index for index, line in enumerate(lines) if line[0] == "VERSION"]
    return lines[header + 1 :]


async def test_a_headless_run_prints_one_row_per_version(tmp_path: Path) -> None:
    versions = cycle(["v1", "v2"])
    async with VersionedServer(lambda _: Answer(next(versions))) as server:
        code, out, _ = await _locust(
            "-u", "4", "-r", "20", "-t", "1s", "--host", server.url, "--report", str(tmp_path / "rows.json")
        )
    assert code == 0
    assert [row[0] for row in _rows(out)] == ["v1", "v2"]
    assert all("Host: my-app\r\n" in head for head in server.heads)
    report = json.loads((tmp_path / "rows.json").read_text())
    assert report["failed"] == 0
    assert 10 <= report["requests"] <= len(server.heads)
    assert server.connections <= 4


async def test_another_mesh_host_is_sent_and_failures_are_counted_under_their_version() -> None:
    async with VersionedServer(lambda _: Answer("v2", status=503)) as server:
        code, out, _ = await _locust("-u", "1", "-t", "1s", "--host", server.url, "--mesh-host", "reviews")
    assert code == 1
    assert all("Host: reviews\r\n" in head for head in server.heads)
    [[version, requests, share, failed, *_]] = _rows(out)
    assert (version, share, failed) == ("v2", "100.0%", requests)


async def test_a_version_per_answer_does_not_fill_the_report() -> None:
    numbers = iter(range(10_000))
    async with VersionedServer(lambda _: Answer(f"build-{next(numbers)}")) as server:
        _, out, _ = await _locust("-u", "10", "-r", "20", "-t", "1s", "--host", server.url)
    rows = _rows(out)
    assert len(rows) == 21
    assert rows[-1][0] == "(other)"


async def test_a_shape_without_a_run_time_is_one_sentence() -> None:
    code, _, error = await _locust("-u", "1", "--shape", "ramp", "--host", "http://127.0.0.1:1")
    assert code != 0
    assert "--shape needs a run time" in error


async def test_a_shape_drives_the_users_and_ends_the_run() -> None:
    async with VersionedServer(lambda _: Answer()) as server:
        code, out, _ = await _locust("-u", "5", "-r", "100", "-t", "1s", "--shape", "ramp", "--host", server.url)
    assert code == 0
    assert [row[0] for row in _rows(out)] == ["v1"]
