"""Several controllers and one lease: one leads, the others wait, and who is cut off writes nothing."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from controller.leadership.elector import Elector
from controller.leadership.fence import FencedApi, NotLeadingError
from controller.leadership.plan import lease_of
from controller.manager import Manager, own_key
from meshsim.api.decode import Object
from meshsim.api.kinds import CONFIG_MAP, LEASE, Kind
from meshsim.api.meta import Key
from meshsim.client.api import UnreachableError
from meshsim.kit.tasks import TaskOwner
from tests.kits.api import InProcessApi

pytestmark = pytest.mark.asyncio
_LOCK = lease_of("", has_rollouts=True)
A = Key("default", "a")


class CutOffApi(InProcessApi):
    """The same API as another one's, seen over a network that can be cut."""

    def __init__(self, api: InProcessApi) -> None:
        self.clock, self.store, self.registry = api.clock, api.store, api.registry
        self.is_cut = False

    async def get(self, kind: Kind, key: Key) -> Object:
        if self.is_cut:
            raise UnreachableError(0, "Unreachable", "no answer")
        return await super().get(kind, key)


class Candidates:
    """Electors on one API and one clock; `dead` are the processes that have ended."""

    def __init__(self) -> None:
        self.api = InProcessApi()
        self.dead: set[str] = set()

    @asynccontextmanager
    async def competing(self, name: str, api: InProcessApi | None = None) -> AsyncIterator[Elector]:
        """One more; it is killed when the block ends: it releases nothing."""
        clock = self.api.clock
        elector = Elector(api or self.api, _LOCK, name, clock, self.dead.__contains__, clock)
        async with TaskOwner() as tasks:
            tasks.start(elector.run(), name)
            await self.pass_time(0)
            yield elector

    async def pass_time(self, seconds: float) -> None:
        clock = self.api.clock
        assert hasattr(clock, "advance")
        await clock.advance(seconds)

    def holder(self) -> str:
        lease = self.api.store.get(LEASE, _LOCK)
        return "" if lease is None else lease["spec"].get("holderIdentity", "")


async def test_one_leads_and_keeps_leading_while_the_other_waits() -> None:
    candidates = Candidates()
    async with candidates.competing("a") as first, candidates.competing("b") as second:
        for _ in range(40):
            assert (first.leads, second.leads, candidates.holder()) == (True, False, "a")
            await candidates.pass_time(1)


async def test_another_machines_leader_that_died_is_followed_once_its_lease_is_over() -> None:
    candidates = Candidates()
    async with candidates.competing("a"):
        pass
    async with candidates.competing("b") as second:
        await candidates.pass_time(14.5)
        assert not second.leads
        await candidates.pass_time(3)
        assert second.leads


async def test_a_leader_of_this_machine_that_died_is_followed_within_moments() -> None:
    candidates = Candidates()
    async with candidates.competing("b") as second:
        async with candidates.competing("a"):
            pass
        assert second.leads
    async with candidates.competing("c") as third:
        await candidates.pass_time(3)
        assert not third.leads
        candidates.dead.add("b")
        await candidates.pass_time(0.2)
        assert third.leads


async def test_a_leader_that_ends_well_frees_the_lease() -> None:
    candidates = Candidates()
    async with candidates.competing("b") as second:
        await second.release()
        assert candidates.holder() == ""
        assert not second.leads


async def test_who_is_cut_off_stops_before_another_starts_and_then_waits(caplog: pytest.LogCaptureFixture) -> None:
    candidates = Candidates()
    network = CutOffApi(candidates.api)
    async with candidates.competing("a", network) as first, candidates.competing("b") as second:
        await candidates.pass_time(4)
        network.is_cut = True
        for _ in range(200):
            await candidates.pass_time(0.1)
            assert not (first.leads and second.leads)
        assert (first.leads, second.leads) == (False, True)
        network.is_cut = False
        await candidates.pass_time(5)
        assert (first.leads, second.leads, candidates.holder()) == (False, True, "b")
    assert caplog.messages == [
        "another controller (a) leads: this one stands by until that ends",
        "another controller (b) leads: this one stands by until that ends",
    ]


async def test_a_lone_leader_that_was_cut_off_goes_on_where_it_was() -> None:
    candidates = Candidates()
    network = CutOffApi(candidates.api)
    async with candidates.competing("a", network) as lone:
        network.is_cut = True
        await candidates.pass_time(60)
        assert not lone.leads
        network.is_cut = False
        await candidates.pass_time(2.1)
        assert lone.leads


async def test_a_lease_that_somebody_deletes_is_made_again() -> None:
    candidates = Candidates()
    async with candidates.competing("a") as lone:
        await candidates.api.delete(LEASE, _LOCK)
        await candidates.pass_time(2.1)
        assert (lone.leads, candidates.holder()) == (True, "a")


async def test_only_a_leader_writes() -> None:
    api = InProcessApi()
    leads = False
    fenced = FencedApi(api, lambda: leads)
    config_map: Object = {"metadata": {"name": "a", "namespace": "default"}, "data": {}}
    with pytest.raises(NotLeadingError):
        await fenced.create(CONFIG_MAP, config_map)
    leads = True
    created = await fenced.create(CONFIG_MAP, config_map)
    leads = False
    assert await fenced.get(CONFIG_MAP, A) == created
    for write in (
        lambda: fenced.replace(CONFIG_MAP, created),
        lambda: fenced.patch(CONFIG_MAP, A, {"data": {"b": "c"}}),
        lambda: fenced.delete(CONFIG_MAP, A),
        lambda: fenced.evict(A),
    ):
        with pytest.raises(NotLeadingError):
            await write()
    assert await api.get(CONFIG_MAP, A) == created


async def test_keys_wait_while_a_controller_may_not_act() -> None:
    api = InProcessApi()
    may_act = False
    seen: list[Key] = []

    class Noting:
        async def reconcile(self, key: Key) -> float | None:
            seen.append(key)
            return None

    manager = Manager(api, api.clock, may_act=lambda: may_act)
    manager.add("noting", Noting(), {manager.informer(CONFIG_MAP): own_key})
    await api.create(CONFIG_MAP, {"metadata": {"name": "a", "namespace": "default"}})
    async with manager:
        assert hasattr(api.clock, "advance")
        await api.clock.advance(1)
        assert seen == []
        may_act = True
        await api.clock.advance(10)
        assert seen == [A]
