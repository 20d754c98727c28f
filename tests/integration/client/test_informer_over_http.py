"""Informers that follow a real API server over HTTP."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio

from meshsim.api.decode import Object
from meshsim.api.kinds import CONFIG_MAP
from meshsim.api.meta import Key
from meshsim.apiserver.server import api_server
from meshsim.client.http import HttpApi
from meshsim.client.informer import Change, Informer
from meshsim.kit.clock import LoopClock
from meshsim.kit.tasks import TaskOwner
from tests.kits.eventually import eventually

pytestmark = pytest.mark.asyncio(loop_factories=["uvloop"])


def config_map(name: str, **data: str) -> Object:
    return {"metadata": {"namespace": "default", "name": name}, "data": data}


def held(informer: Informer) -> dict[str, Object]:
    return {obj["metadata"]["name"]: obj.get("data", {}) for obj in informer.all()}


@pytest_asyncio.fixture
async def api() -> AsyncIterator[HttpApi]:
    async with api_server(LoopClock()) as server:
        url = f"http://{await server.listen('127.0.0.1', 0)}"
        async with HttpApi(url) as api:
            yield api


@asynccontextmanager
async def informed(api: HttpApi) -> AsyncIterator[tuple[Informer, list[Change]]]:
    """A synced informer and what it tells."""
    changes: list[Change] = []
    informer = Informer(api, CONFIG_MAP)
    informer.on_change(changes.append)
    async with TaskOwner() as owner:
        owner.start(informer.run(), "informer")
        await asyncio.wait_for(informer.synced.wait(), 5)
        yield informer, changes


async def test_an_informer_holds_what_the_api_holds_through_every_kind_of_write(api: HttpApi) -> None:
    await api.create(CONFIG_MAP, config_map("before", k="1"))
    async with informed(api) as (informer, changes):
        assert held(informer) == {"before": {"k": "1"}}
        await api.create(CONFIG_MAP, config_map("after"))
        await api.patch(CONFIG_MAP, Key("default", "after"), {"data": {"k": "2"}})
        await api.delete(CONFIG_MAP, Key("default", "before"))
        await eventually(lambda: held(informer) == {"after": {"k": "2"}})
    assert [(change.key.name, change.old is None, change.new is None) for change in changes] == [
        ("before", True, False),
        ("after", True, False),
        ("after", False, False),
        ("before", False, True),
    ]


async def test_what_a_write_returned_is_in_the_cache_at_once_and_told_once(api: HttpApi) -> None:
    async with informed(api) as (informer, changes):
        for number in range(20):
            informer.learn(await api.create(CONFIG_MAP, config_map(f"m{number}")))
            assert informer.get(Key("default", f"m{number}")) is not None
        # Once the last is gone again the watch has brought everything before.
        await api.delete(CONFIG_MAP, Key("default", "m19"))
        await eventually(lambda: informer.get(Key("default", "m19")) is None)
    assert [change.key.name for change in changes] == [*(f"m{number}" for number in range(20)), "m19"]


async def test_an_informer_comes_back_to_an_api_that_was_away_and_misses_nothing(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    async with HttpApi(f"http://127.0.0.1:{port}") as api, TaskOwner() as owner:
        informer = Informer(api, CONFIG_MAP)
        owner.start(informer.run(), "informer")
        async with api_server(LoopClock(), tmp_path) as server:
            await server.listen("127.0.0.1", port)
            await api.create(CONFIG_MAP, config_map("kept"))
            await api.create(CONFIG_MAP, config_map("deleted"))
            await eventually(lambda: set(held(informer)) == {"kept", "deleted"})
        async with api_server(LoopClock(), tmp_path) as server:
            # As long as the API was away the informer kept what it knew.
            await server.listen("127.0.0.1", port)
            assert set(held(informer)) == {"kept", "deleted"}
            await api.delete(CONFIG_MAP, Key("default", "deleted"))
            await api.create(CONFIG_MAP, config_map("new"))
            await eventually(lambda: set(held(informer)) == {"kept", "new"})
            await owner.close()
