import asyncio
import sqlite3
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from meshsim.api.kinds import CONFIG_MAP, ROLLOUT
from meshsim.api.meta import Key
from meshsim.apiserver.server import api_server
from meshsim.client.api import ExpiredError, NotFoundError
from meshsim.client.http import HttpApi
from meshsim.kit.clock import LoopClock, VirtualClock
from meshsim.kit.errors import StartError
from tests.kits.manifests import config_map, rollout

pytestmark = [pytest.mark.integration, pytest.mark.asyncio]

SETTINGS = Key("default", "settings")


@asynccontextmanager
async def client_of_a_server_over(directory: Path) -> AsyncIterator[HttpApi]:
    async with api_server(LoopClock(), directory) as server:
        address = await server.listen("127.0.0.1", 0)
        async with HttpApi(f"http://{address}") as api:
            yield api


async def enter(directory: Path) -> None:
    async with api_server(LoopClock(), directory):
        pass


async def test_a_server_comes_back_with_all_it_had(tmp_path: Path) -> None:
    async with client_of_a_server_over(tmp_path) as api:
        kept = await api.create(ROLLOUT, rollout())
        await api.create(CONFIG_MAP, config_map())
        await api.delete(CONFIG_MAP, SETTINGS)
    async with client_of_a_server_over(tmp_path) as api:
        assert await api.get(ROLLOUT, Key("default", "web")) == kept
        with pytest.raises(NotFoundError):
            await api.get(CONFIG_MAP, SETTINGS)


async def test_versions_go_on_rising_and_old_watches_list_again(tmp_path: Path) -> None:
    clock = VirtualClock()
    async with api_server(clock, tmp_path) as server:
        server.registry.create(CONFIG_MAP, "default", config_map())
        before = server.registry.store.version
    # The clock stands still, as if all versions had been used up faster than one a millisecond.
    async with api_server(clock, tmp_path) as server:
        assert server.registry.store.version > before
        with pytest.raises(ExpiredError):
            server.registry.store.since(CONFIG_MAP, before)


async def test_many_writers_share_one_group_and_all_are_durable(tmp_path: Path) -> None:
    async with client_of_a_server_over(tmp_path) as api:
        await asyncio.gather(*(api.create(CONFIG_MAP, config_map(f"c{number}")) for number in range(50)))
    async with client_of_a_server_over(tmp_path) as api:
        assert len((await api.list(CONFIG_MAP)).items) == 50


async def test_two_servers_cannot_share_a_directory(tmp_path: Path) -> None:
    async with api_server(LoopClock(), tmp_path):
        with pytest.raises(StartError, match="cannot be used: database is locked"):
            await enter(tmp_path)


async def test_a_directory_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StartError, match=r"the data directory .* cannot be used"):
        await enter(tmp_path / "file" / "data")


async def test_a_file_that_is_no_journal_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "objects.db").write_bytes(b"not a database, but long enough to look at" * 100)
    with pytest.raises(StartError, match="cannot be used"):
        await enter(tmp_path)


async def test_what_is_kept_is_for_its_owner_alone(tmp_path: Path) -> None:
    async with api_server(LoopClock(), tmp_path / "data"):
        modes = [
            stat.S_IMODE(path.stat().st_mode) & 0o077 for path in (tmp_path / "data", tmp_path / "data/objects.db")
        ]
    assert modes == [0, 0]


async def test_a_damaged_journal_is_named_and_left_as_it_is(tmp_path: Path) -> None:
    async with client_of_a_server_over(tmp_path) as api:
        for number in range(200):
            await api.create(CONFIG_MAP, config_map(f"c{number}", data={"k": "v" * 200}))
    path = tmp_path / "objects.db"
    damaged = bytearray(path.read_bytes())
    for at in range(8192, len(damaged), 4096):
        damaged[at : at + 64] = b"\xff" * 64
    path.write_bytes(damaged)
    with pytest.raises(StartError, match=r"objects\.db is damaged|cannot be used: database disk image is malformed"):
        await enter(tmp_path)
    assert path.read_bytes() == damaged


async def test_an_object_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    async with client_of_a_server_over(tmp_path) as api:
        await api.create(CONFIG_MAP, config_map())
    with sqlite3.connect(tmp_path / "objects.db") as database:
        database.execute("UPDATE objects SET value = '{' WHERE name = 'settings'")
    database.close()
    with pytest.raises(StartError, match='is damaged: configmaps "settings" cannot be read'):
        await enter(tmp_path)
