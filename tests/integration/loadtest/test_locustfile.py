"""locust itself, headless, with our locustfile, against a server of two versions."""

import asyncio
import json
import sys
from asyncio.subprocess import PIPE, Process
from itertools import cycle
from pathlib import Path

import pytest

from tests.kits.eventually import eventually
from tests.kits.versioned import Answer, VersionedServer

pytestmark = pytest.mark.asyncio

_REPOSITORY = Path(__file__).resolve().parents[3]


async def _start(*arguments: str) -> Process:
    command = ("-m", "locust", "-f", "loadtest/locustfile.py", "--headless", "--only-summary", *arguments)
    return await asyncio.create_subprocess_exec(sys.executable, *command, cwd=_REPOSITORY, stdout=PIPE, stderr=PIPE)


async def _end_of(process: Process) -> tuple[int, list[list[str]], str]:
    """The exit code, the rows below our header, cell by cell, and what was said on stderr."""
    out, error = await process.communicate()
    assert process.returncode is not None
    lines = [line.split() for line in out.decode().splitlines() if line]
    header = next((index for index, line in enumerate(lines) if line[0] == "VERSION"), len(lines))
    return process.returncode, lines[header + 1 :], error.decode()


async def _run(server: VersionedServer, requests: int, *arguments: str) -> tuple[int, list[list[str]]]:
    """Run it until the server has had that many requests, and end it as a person would."""
    process = await _start("--host", server.url, *arguments)
    await eventually(lambda: len(server.heads) >= requests, within_s=15)
    process.terminate()
    code, rows, _ = await _end_of(process)
    return code, rows


async def test_a_headless_run_prints_one_row_per_version(tmp_path: Path) -> None:
    versions = cycle(["v1", "v2"])
    async with VersionedServer(lambda _: Answer(next(versions))) as server:
        code, rows = await _run(server, 20, "-u", "4", "-r", "20", "--report", str(tmp_path / "rows.json"))
    assert code == 0
    assert [row[0] for row in rows] == ["v1", "v2"]
    assert all("Host: my-app\r\n" in head for head in server.heads)
    report = json.loads((tmp_path / "rows.json").read_text())
    assert report["failed"] == 0
    # Those that were on their way when it ended are not counted.
    assert len(server.heads) - 4 <= report["requests"] <= len(server.heads)
    assert server.connections <= 4


async def test_another_mesh_host_is_sent_and_failures_are_counted_under_their_version() -> None:
    async with VersionedServer(lambda _: Answer("v2", status=503)) as server:
        code, rows = await _run(server, 5, "-u", "1", "--mesh-host", "reviews")
    assert code == 1
    assert all("Host: reviews\r\n" in head for head in server.heads)
    [[version, requests, share, failed, *_]] = rows
    assert (version, share, failed) == ("v2", "100.0%", requests)


async def test_a_version_per_answer_does_not_fill_the_report() -> None:
    numbers = iter(range(10_000))
    async with VersionedServer(lambda _: Answer(f"build-{next(numbers)}")) as server:
        _, rows = await _run(server, 40, "-u", "10", "-r", "20")
    assert len(rows) == 21
    assert rows[-1][0] == "(other)"


async def test_a_shape_without_a_run_time_is_one_sentence() -> None:
    code, _, error = await _end_of(await _start("-u", "1", "--shape", "ramp", "--host", "http://127.0.0.1:1"))
    assert code != 0
    assert "--shape needs a run time" in error


async def test_a_shape_drives_the_users_and_ends_the_run() -> None:
    async with VersionedServer(lambda _: Answer()) as server:
        process = await _start("-u", "5", "-r", "100", "-t", "2s", "--shape", "ramp", "--host", server.url)
        code, rows, _ = await _end_of(process)
    assert code == 0
    assert [row[0] for row in rows] == ["v1"]
