"""The API server as a process: it starts, it is killed under writes, it comes back."""

import asyncio
import signal
from pathlib import Path

import pytest

from meshsim.api.kinds import CONFIG_MAP
from meshsim.client.api import UnreachableError
from meshsim.client.http import HttpApi
from meshsim.kit.tasks import TaskOwner
from tests.kits.apiserver import running_apiserver
from tests.kits.manifests import config_map

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio]

KILLS = 5


async def test_a_server_killed_under_writes_loses_none_that_it_acknowledged(tmp_path: Path) -> None:
    acknowledged: set[str] = set()
    for round_number in range(KILLS):
        async with running_apiserver("--data-dir", str(tmp_path)) as server, HttpApi(server.url) as api:
            stored = {obj["metadata"]["name"] for obj in (await api.list(CONFIG_MAP, "default")).items}
            assert acknowledged <= stored

            async def keep_writing(writer: int, api: HttpApi = api, prefix: str = f"r{round_number}") -> None:
                for number in range(10_000):
                    name = f"{prefix}-{writer}-{number}"
                    await api.create(CONFIG_MAP, config_map(name))
                    acknowledged.add(name)

            enough = len(acknowledged) + 40
            async with TaskOwner(on_failure=lambda _, error: tolerate(error)) as tasks:
                writers = [tasks.start(keep_writing(number), f"writer {number}") for number in range(4)]
                while len(acknowledged) < enough:
                    assert not any(writer.done() for writer in writers), writers
                    await asyncio.wait(writers, timeout=0.005)
                server.process.send_signal(signal.SIGKILL)
                await asyncio.wait(writers)
    async with running_apiserver("--data-dir", str(tmp_path)) as server, HttpApi(server.url) as api:
        stored = {obj["metadata"]["name"] for obj in (await api.list(CONFIG_MAP, "default")).items}
    assert acknowledged <= stored


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
