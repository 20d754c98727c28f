"""Events go an hour after they were written last."""

import pytest

from meshsim.api.decode import Object
from meshsim.api.kinds import EVENT
from meshsim.api.meta import Key
from meshsim.apiserver.expiry import delete_expired, expire_events, expiry
from meshsim.kit.clock import VirtualClock
from meshsim.kit.tasks import TaskOwner
from meshsim.kit.timestamps import to_rfc3339
from tests.kits.api import InProcessApi

_HOUR_S = 3600


def event(name: str, **stamps: object) -> Object:
    about = {"apiVersion": "v1", "kind": "Pod", "namespace": "default", "name": "web"}
    return {"metadata": {"name": name}, "involvedObject": about, "reason": "Told", "type": "Normal", **stamps}


def names(api: InProcessApi) -> list[str]:
    return [obj["metadata"]["name"] for obj in api.store.objects(EVENT)]


@pytest.mark.asyncio
async def test_an_event_is_gone_an_hour_after_it_was_written() -> None:
    api = InProcessApi()
    await api.create(EVENT, event("told"))
    start = api.clock.now()

    next_at = delete_expired(api.registry, start + _HOUR_S - 2)
    assert (names(api), next_at) == (["told"], int(start) + _HOUR_S)
    delete_expired(api.registry, start + _HOUR_S)
    assert names(api) == []


@pytest.mark.asyncio
async def test_an_event_that_is_counted_up_lives_on() -> None:
    api = InProcessApi()
    await api.create(EVENT, event("told"))
    later = api.clock.now() + 1800
    await api.patch(EVENT, Key("default", "told"), {"count": 2, "lastTimestamp": to_rfc3339(later)})

    delete_expired(api.registry, later + _HOUR_S - 2)
    assert names(api) == ["told"]
    delete_expired(api.registry, later + _HOUR_S)
    assert names(api) == []


@pytest.mark.parametrize("stamp", ["", "soon", 7, None])
def test_an_event_without_a_readable_time_is_kept(stamp: object) -> None:
    nameless = {"metadata": {"creationTimestamp": stamp}, "lastTimestamp": stamp}

    assert expiry(nameless) is None


@pytest.mark.asyncio
async def test_the_server_lets_events_go_on_the_cluster_s_clock() -> None:
    clock = VirtualClock()
    api = InProcessApi(clock)
    await api.create(EVENT, event("told"))
    async with TaskOwner() as tasks:
        tasks.start(expire_events(api.registry, clock), "expire events")
        await clock.advance(_HOUR_S - 60)
        assert names(api) == ["told"]
        await clock.advance(120)
        assert names(api) == []
