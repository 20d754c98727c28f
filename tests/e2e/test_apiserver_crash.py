"""The API server as a process: it starts, it is killed under writes, it comes back."""

import asyncio
from pathlib import Path

import pytest

from meshsim.api.kinds import CONFIG_MAP
from meshsim.client.api import UnreachableError
from meshsim.client.http import HttpApi
from meshsim.kit.tasks import TaskOwner
from tests.kits.apiserver import running_apiserver
from tests.kits.crashes import Trial
from tests.kits.manifests import config_map

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio]

KILLS = 5
"""`make test-crash` kills a hundred times."""


async def test_a_server_killed_under_writes_loses_none_that_it_answered(tmp_path: Path) -> None:
    report = await Trial(tmp_path, seed=KILLS).run(KILLS)
    assert report.answered >= 10 * KILLS
    assert report.events > 0


def tolerate(error: Exception) -> None:
    """A writer ends when the server is gone, and for no other reason."""
    assert isinstance(error, UnreachableError), error


async def test_a_server_told_to_stop_ends_at_once_although_somebody_watches() -> None:
    async with running_apiserver() as server, HttpApi(server.url) as api:

        async def watch() -> None:
            async for _ in api.watch(CONFIG_MAP, "0"):
                pass

        async with TaskOwner(on_failure=lambda _, error: tolerate(error)) as tasks:
            tasks.start(watch(), "watch")
            await api.create(CONFIG_MAP, config_map())
            server.process.terminate()
            async with asyncio.timeout(3):
                assert await server.process.wait() == 0
