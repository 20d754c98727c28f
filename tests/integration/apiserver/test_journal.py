import asyncio
import os
import resource
import shutil
import sqlite3
import stat
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from meshsim.api.kinds import CONFIG_MAP, ROLLOUT
from meshsim.api.meta import Key
from meshsim.apiserver.kinds.custom import CustomKind
from meshsim.apiserver.kinds.definitions import DEFINITION
from meshsim.apiserver.server import api_server
from meshsim.apiserver.storage.selection import Selection
from meshsim.apiserver.storage.watch import Watch
from meshsim.apiserver.writing.deletion import DeleteOptions
from meshsim.client.api import ApiError, ExpiredError, NotFoundError
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


async def test_nobody_sees_a_commit_that_is_not_on_disk(tmp_path: Path) -> None:
    async with api_server(LoopClock(), tmp_path / "data") as server:
        before = server.registry.store.version
        watch = Watch(server.registry.store, CONFIG_MAP, Selection(), before)
        # No turn of the loop between: this is the disk of a server killed before, and after, it has written.
        server.registry.create(CONFIG_MAP, "default", config_map())
        shutil.copytree(tmp_path / "data", tmp_path / "before")
        with pytest.raises(NotFoundError):
            server.registry.get(CONFIG_MAP, SETTINGS)
        assert server.registry.select(CONFIG_MAP, Selection()) == []
        assert server.registry.store.version == before
        (told,) = await watch.next()
        shutil.copytree(tmp_path / "data", tmp_path / "after")
        watch.end()
    assert await names_in(tmp_path / "before") == set()
    assert await names_in(tmp_path / "after") == {told.object["metadata"]["name"]} == {"settings"}


async def test_a_group_that_was_torn_on_its_way_to_the_disk_is_dropped_alone(tmp_path: Path) -> None:
    async with api_server(LoopClock(), tmp_path / "data") as server:
        for name in ("a", "b"):
            watch = Watch(server.registry.store, CONFIG_MAP, Selection(), server.registry.store.version)
            server.registry.create(CONFIG_MAP, "default", config_map(name))
            assert await watch.next()
            watch.end()
        shutil.copytree(tmp_path / "data", tmp_path / "torn")
    log = tmp_path / "torn" / "objects.db-wal"
    os.truncate(log, log.stat().st_size - 100)
    assert await names_in(tmp_path / "torn") == {"a"}


async def names_in(directory: Path) -> set[str]:
    async with api_server(LoopClock(), directory) as server:
        return {obj["metadata"]["name"] for obj in server.registry.select(CONFIG_MAP, Selection())}


@pytest.fixture
def full_disk() -> Iterator[Callable[[int], None]]:
    """Given a disk that takes no file beyond a size; 0 is no limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size or soft, hard))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def test_what_a_full_disk_does_not_take_was_never_written(
    tmp_path: Path, full_disk: Callable[[int], None]
) -> None:
    async with client_of_a_server_over(tmp_path) as api:
        await api.create(CONFIG_MAP, config_map())
        listed = await api.list(CONFIG_MAP)
        full_disk(4096)
        with pytest.raises(ApiError, match="the journal cannot be written"):
            await api.create(CONFIG_MAP, config_map("b"))
        with pytest.raises(ApiError, match="the journal cannot be written"):
            await api.delete(CONFIG_MAP, SETTINGS)
        assert await api.list(CONFIG_MAP) == listed
        full_disk(0)
        await api.create(CONFIG_MAP, config_map("b"))
        await api.delete(CONFIG_MAP, SETTINGS)
        assert [obj["metadata"]["name"] for obj in (await api.list(CONFIG_MAP)).items] == ["b"]
    assert await names_in(tmp_path) == {"b"}


async def test_a_disk_that_cannot_be_written_is_told_once_and_once_when_it_can(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with api_server(LoopClock(), tmp_path) as server:
        journal = server._journal
        assert journal is not None
        journal._database.execute("PRAGMA query_only = ON")
        for number in range(3):
            server.registry.create(CONFIG_MAP, "default", config_map(f"lost{number}"))
            with pytest.raises(ApiError, match="the journal cannot be written"):
                await journal.durable()
        journal._database.execute("PRAGMA query_only = OFF")
        server.registry.create(CONFIG_MAP, "default", config_map("kept"))
        await journal.durable()
    told = [record.getMessage() for record in caplog.records if "journal" in record.getMessage()]
    assert len(told) == 2
    assert "cannot be written" in told[0]
    assert told[1] == "the journal can be written again"


async def test_a_defined_kind_and_its_objects_come_back(tmp_path: Path) -> None:
    async with api_server(LoopClock(), tmp_path) as server:
        schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
        version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
        names = {"plural": "monitors", "kind": "Monitor"}
        spec = {"group": "example.com", "scope": "Namespaced", "names": names, "versions": [version]}
        server.registry.create(DEFINITION, "", {"metadata": {"name": "monitors.example.com"}, "spec": spec})
        (kind,) = (kind for kind in server.registry.store.kinds if isinstance(kind, CustomKind))
        server.registry.create(kind, "default", {"metadata": {"name": "web"}, "spec": {"a": 1}})
    async with api_server(LoopClock(), tmp_path) as server:
        assert server.registry.get(kind, Key("default", "web"))["spec"] == {"a": 1}
        server.registry.delete(DEFINITION, Key("", "monitors.example.com"), DeleteOptions())
        assert kind not in server.registry.store.kinds
