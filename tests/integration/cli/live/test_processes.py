"""The demo's helpers as real processes."""

import asyncio
from collections import Counter

import pytest

from meshsim.cli.live.processes import CommandFailedError, LoadEndedError, command, load
from meshsim.load.samples import Sample
from tests.kits.versioned import Answer, VersionedServer

pytestmark = pytest.mark.asyncio


async def test_the_load_is_read_request_by_request_until_it_is_stopped() -> None:
    samples: list[Sample] = []
    async with (
        VersionedServer(lambda _: Answer("v2")) as server,
        asyncio.timeout(10),
        load(server.url, "my-app", 100, seed=1) as running,
    ):
        async for batch in running.samples():
            samples += batch
            if len(samples) > 20:
                running.stop()
    assert Counter(sample.version for sample in samples) == {"v2": len(server.heads)}
    assert all("Host: my-app\r\n" in head for head in server.heads)


async def test_a_load_that_ends_by_itself_says_why() -> None:
    async with asyncio.timeout(10), load("https://127.0.0.1/", "my-app", 100, seed=None) as running:
        with pytest.raises(LoadEndedError, match="the load goes to a URL like"):
            async for _ in running.samples():
                pass


async def test_a_command_returns_what_it_printed_and_fails_with_its_own_words() -> None:
    assert (await command("--version")).startswith("meshsim ")
    with pytest.raises(CommandFailedError, match='unknown command "relaese"'):
        await command("relaese")
