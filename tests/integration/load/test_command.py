"""`meshsim load` as people run it: a process, its output, its exit code."""

import asyncio
import json
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from itertools import cycle
from typing import Any

import pytest
import yaml

from tests.kits.eventually import eventually
from tests.kits.versioned import Answer, VersionedServer

pytestmark = pytest.mark.asyncio


@dataclass(frozen=True)
class _Ended:
    code: int
    out: str
    err: str


async def _start(*arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "meshsim",
        "load",
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def _end_of(process: asyncio.subprocess.Process) -> _Ended:
    out, err = await process.communicate()
    assert process.returncode is not None
    return _Ended(process.returncode, out.decode(), err.decode())


async def _load(*arguments: str) -> _Ended:
    return await _end_of(await _start(*arguments))


async def test_a_row_per_version_is_printed() -> None:
    versions = cycle(["v1", "v2"])
    async with VersionedServer(lambda _: Answer(next(versions))) as server:
        ended = await _load(
            "--url", server.url, "--host", "my-app", "--rps", "100", "--duration", "300ms", "--arrivals", "uniform"
        )
    assert (ended.code, ended.err) == (0, "")
    lines = [line.split() for line in ended.out.splitlines()]
    assert lines[0] == ["VERSION", "REQUESTS", "SHARE", "FAILED", "RPS", "P50", "P99"]
    assert [line[:5] for line in lines[1:]] == [["v1", "15", "50.0%", "0", "50.0"], ["v2", "15", "50.0%", "0", "50.0"]]
    assert server.heads[0].startswith("GET / HTTP/1.1\r\nHost: my-app\r\n")


@pytest.mark.parametrize(("form", "read"), [("json", json.loads), ("yaml", yaml.safe_load)])
async def test_the_rows_are_data_too(form: str, read: Callable[[str], Any]) -> None:
    async with VersionedServer(lambda _: Answer("v1", status=503)) as server:
        ended = await _load(
            "--url", server.url, "--rps", "50", "--duration", "0.2", "--arrivals", "uniform", "-o", form
        )
    report = read(ended.out)
    assert ended.code == 1
    assert (report["requests"], report["failed"], report["failures"]) == (10, 10, {"503": 10})
    assert [(row["version"], row["share"]) for row in report["rows"]] == [("v1", 1.0)]


async def test_json_lines_say_of_each_request_when_it_began_and_who_answered() -> None:
    async with VersionedServer(lambda _: Answer("v2")) as server:
        ended = await _load(
            "--url", server.url, "--rps", "50", "--duration", "0.2", "--arrivals", "uniform", "-o", "jsonl"
        )
    samples = [json.loads(line) for line in ended.out.splitlines()]
    assert [(sample["version"], sample["status"]) for sample in samples] == [("v2", 200)] * 10
    assert samples == sorted(samples, key=lambda sample: sample["began"])


async def test_a_seed_repeats_a_run() -> None:
    async with VersionedServer(lambda _: Answer()) as server:
        runs = [
            await _load("--url", server.url, "--rps", "50", "--duration", "0.3", "--seed", "7", "-o", "json")
            for _ in range(2)
        ]
    first, again = (json.loads(run.out)["requests"] for run in runs)
    assert first == again


async def test_an_interrupt_ends_the_run_early_and_prints_what_there_is() -> None:
    async with VersionedServer(lambda _: Answer()) as server:
        process = await _start("--url", server.url, "--rps", "100", "--duration", "60s", "-o", "json")
        await eventually(lambda: len(server.heads) >= 5)
        process.send_signal(signal.SIGINT)
        ended = await asyncio.wait_for(_end_of(process), 5)
    report = json.loads(ended.out)
    assert ended.code == 0
    assert report["requests"] == len(server.heads)
    assert report["duration_s"] < 30


async def test_a_run_whose_lines_nobody_reads_any_more_ends() -> None:
    async with VersionedServer(lambda _: Answer()) as server:
        process = await _start("--url", server.url, "--rps", "100", "--duration", "60s", "-o", "jsonl")
        assert process.stdout is not None
        await process.stdout.readline()
        process.stdout._transport.close()  # type: ignore[attr-defined] # as `| head -1` does
        assert await asyncio.wait_for(process.wait(), 5) == 141


async def test_a_machine_that_cannot_keep_up_is_said_so() -> None:
    async with VersionedServer(lambda _: Answer(after_s=0.06)) as server:
        ended = await _load("--url", server.url, "--rps", "100", "--duration", "0.1", "--connections", "1")
    assert "began late" in ended.err


@pytest.mark.parametrize(
    "arguments",
    [
        ("--rps", "0"),
        ("--rps", "many"),
        ("--connections", "0"),
        ("--connections", "100000"),
        ("--duration", "soon"),
        ("--duration", "0s"),
        ("--url", "https://127.0.0.1/"),
        ("--url", "http://192.0.2.1/"),
        ("--arrivals", "never"),
    ],
)
async def test_a_wrong_flag_is_one_sentence_and_exit_code_2(arguments: tuple[str, ...]) -> None:
    ended = await _load(*arguments)
    assert ended.code == 2
    assert ended.err.startswith("Error: ")
    assert "Traceback" not in ended.err


@pytest.mark.parametrize("rate", ["-4", "many", "nan"])
async def test_a_rate_that_is_none_is_named_with_what_one_is(rate: str) -> None:
    ended = await _load(f"--rps={rate}")
    assert ended.err.startswith(f'Error: argument --rps: "{rate}" is not a rate: requests a second')
