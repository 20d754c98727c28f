import asyncio

import pytest

from meshsim.api.kinds import CONFIG_MAP
from meshsim.api.meta import Key
from meshsim.apiserver.registry import Registry
from meshsim.apiserver.storage.selection import Selection
from meshsim.apiserver.storage.watch import MAX_BEHIND, Watch
from meshsim.client.api import ExpiredError, PatchType
from tests.kits.manifests import config_map

pytestmark = pytest.mark.asyncio

EVERYTHING = Selection()
SETTINGS = Key("default", "settings")


def change(registry: Registry, number: int) -> None:
    registry.patch(CONFIG_MAP, SETTINGS, {"data": {"n": str(number)}}, PatchType.MERGE)


async def test_a_reader_gets_what_happened_since_it_last_asked(registry: Registry) -> None:
    watch = Watch(registry.store, CONFIG_MAP, EVERYTHING, registry.store.version)
    registry.create(CONFIG_MAP, "default", config_map())
    change(registry, 1)
    assert [told.type for told in await watch.next()] == ["ADDED", "MODIFIED"]
    change(registry, 2)
    [told] = await watch.next()
    assert told.object["data"] == {"n": "2"}
    watch.end()


async def test_a_reader_waits_until_something_happens(registry: Registry) -> None:
    watch = Watch(registry.store, CONFIG_MAP, EVERYTHING, registry.store.version)
    asyncio.get_running_loop().call_soon(lambda: registry.create(CONFIG_MAP, "default", config_map()))
    async with asyncio.timeout(5):
        assert [told.type for told in await watch.next()] == ["ADDED"]
    watch.end()


async def test_what_happens_to_others_wakes_nobody(registry: Registry) -> None:
    watch = Watch(registry.store, CONFIG_MAP, Selection("kube-system"), registry.store.version)
    registry.create(CONFIG_MAP, "default", config_map())
    registry.create(CONFIG_MAP, "kube-system", config_map(namespace="kube-system"))
    [told] = await watch.next()
    assert told.object["metadata"]["namespace"] == "kube-system"
    watch.end()


async def test_a_reader_that_falls_too_far_behind_is_cut_off_and_writers_go_on(registry: Registry) -> None:
    registry.create(CONFIG_MAP, "default", config_map())
    slow = Watch(registry.store, CONFIG_MAP, EVERYTHING, registry.store.version)
    for number in range(MAX_BEHIND + 1):
        change(registry, number)
    assert await slow.next() == [], "it has ended, and holds nothing"
    change(registry, -1)
    assert await slow.next() == []


async def test_what_waits_when_a_watch_ends_is_still_told(registry: Registry) -> None:
    watch = Watch(registry.store, CONFIG_MAP, EVERYTHING, registry.store.version)
    registry.create(CONFIG_MAP, "default", config_map())
    watch.end()
    registry.create(CONFIG_MAP, "default", config_map("later"))
    assert [told.object["metadata"]["name"] for told in await watch.next()] == ["settings"]
    assert await watch.next() == []


async def test_a_bookmark_is_as_far_as_the_history_has_come(registry: Registry) -> None:
    watch = Watch(registry.store, CONFIG_MAP, EVERYTHING, None)
    watch.bookmark(ends_initial_events=True)
    [told] = await watch.next()
    assert told.type == "BOOKMARK"
    assert told.object["metadata"] == {
        "resourceVersion": str(registry.store.version),
        "annotations": {"k8s.io/initial-events-end": "true"},
    }
    watch.end()


async def test_a_watch_of_a_forgotten_version_cannot_begin(registry: Registry) -> None:
    with pytest.raises(ExpiredError):
        Watch(registry.store, CONFIG_MAP, EVERYTHING, 1)
