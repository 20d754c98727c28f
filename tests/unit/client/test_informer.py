from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import pytest

from meshsim.api.decode import Object
from meshsim.api.kinds import POD
from meshsim.api.meta import Key
from meshsim.client.api import ApiError, ExpiredError, Listing, UnreachableError, WatchEvent
from meshsim.client.informer import Change, Informer
from meshsim.kit.clock import VirtualClock
from meshsim.kit.tasks import TaskOwner
from tests.kits.scripted_api import ScriptedApi, Watch

pytestmark = pytest.mark.asyncio

EXPIRED = ExpiredError(410, "Expired", "too old resource version")
DOWN = UnreachableError(0, "Unreachable", "connection refused")


def pod(name: str, version: int, **fields: str) -> Object:
    return {"metadata": {"namespace": "default", "name": name, "resourceVersion": str(version)}, **fields}


def added(name: str, version: int) -> WatchEvent:
    return WatchEvent("ADDED", pod(name, version))


def modified(name: str, version: int, **fields: str) -> WatchEvent:
    return WatchEvent("MODIFIED", pod(name, version, **fields))


def deleted(name: str, version: int) -> WatchEvent:
    return WatchEvent("DELETED", pod(name, version))


def bookmark(version: int) -> WatchEvent:
    return WatchEvent("BOOKMARK", {"metadata": {"resourceVersion": str(version)}})


def listing(version: int, *pods: Object) -> Listing:
    return Listing(list(pods), str(version))


class Scene:
    """An informer, the API it listens to, the clock of its back-off and what it told its listener."""

    def __init__(self, lists: Sequence[Listing | ApiError], watches: Sequence[Watch]) -> None:
        self.clock = VirtualClock()
        self.api = ScriptedApi(lists, watches)
        self.informer = Informer(self.api, POD, clock=self.clock)
        self.changes: list[Change] = []
        self.informer.on_change(self.changes.append)

    @property
    def seen(self) -> dict[str, int]:
        """Name → version of what the informer holds."""
        return {obj["metadata"]["name"]: int(obj["metadata"]["resourceVersion"]) for obj in self.informer.all()}

    @property
    def told(self) -> list[str]:
        """`+name` new, `name` changed, `-name` gone."""
        return [
            ("+" if change.old is None else "-" if change.new is None else "") + change.key.name
            for change in self.changes
        ]


@asynccontextmanager
async def scene(lists: Sequence[Listing | ApiError], watches: Sequence[Watch] = ()) -> AsyncIterator[Scene]:
    """The scene some seconds on."""
    it = Scene(lists, watches)
    async with TaskOwner() as owner:
        owner.start(it.informer.run(), "informer")
        await it.clock.advance(30)
        yield it


async def test_it_lists_and_then_watches_from_the_version_of_the_list() -> None:
    script = [[added("c", 11), modified("a", 12), deleted("b", 13)]]
    async with scene([listing(10, pod("a", 1), pod("b", 2))], script) as it:
        assert it.informer.synced.is_set()
        assert it.seen == {"a": 12, "c": 11}
        assert it.told == ["+a", "+b", "+c", "a", "-b"]
        assert it.api.asked == ["list", "watch from 10", "watch from 13"]


async def test_it_is_not_synced_before_its_first_list() -> None:
    async with scene([]) as it:
        assert not it.informer.synced.is_set()
        assert it.api.asked == ["list"]


async def test_a_listener_finds_what_it_is_told_of_in_the_cache() -> None:
    found: list[Object | None] = []
    it = Scene([listing(10, pod("a", 1))], [[deleted("a", 11)]])
    it.informer.on_change(lambda change: found.append(it.informer.get(change.key)))
    async with TaskOwner() as owner:
        owner.start(it.informer.run(), "informer")
        await it.clock.advance(1)
    assert found == [pod("a", 1), None]


async def test_a_watch_that_ends_is_resumed_from_the_last_version_seen_without_listing_again() -> None:
    async with scene([listing(10)], [[added("a", 11)], [bookmark(20)], [added("b", 21)]]) as it:
        assert it.seen == {"a": 11, "b": 21}
        assert it.api.asked == ["list", "watch from 10", "watch from 11", "watch from 20", "watch from 21"]


@pytest.mark.parametrize(
    "break_off",
    [lambda: ([EXPIRED],), lambda: ([added("a", 11), EXPIRED],)],
    ids=["when it begins", "while it goes on"],
)
async def test_a_watch_that_fell_out_of_history_lists_again(break_off: Callable[[], Sequence[Watch]]) -> None:
    lists = [listing(10, pod("a", 1), pod("b", 2)), listing(50, pod("b", 40), pod("c", 45))]
    async with scene(lists, [*break_off(), [added("d", 51)]]) as it:
        assert it.seen == {"b": 40, "c": 45, "d": 51}
        assert it.told[-4:] == ["-a", "b", "+c", "+d"]
        assert it.api.asked[-3:] == ["list", "watch from 50", "watch from 51"]


async def test_listing_again_says_nothing_of_what_did_not_change() -> None:
    async with scene([listing(10, pod("a", 1)), listing(50, pod("a", 1))], [[EXPIRED]]) as it:
        assert it.told == ["+a"]


async def test_a_list_replaces_what_came_from_an_api_that_began_anew() -> None:
    async with scene([listing(500, pod("a", 400)), listing(5, pod("a", 3))], [[EXPIRED]]) as it:
        assert it.seen == {"a": 3}


async def test_it_keeps_what_it_knows_while_the_api_is_away_and_comes_back_by_itself() -> None:
    script: list[Watch] = [[added("a", 11), DOWN], *[[DOWN]] * 8, [added("b", 12)]]
    it = Scene([DOWN, DOWN, listing(10)], script)
    async with TaskOwner() as owner:
        owner.start(it.informer.run(), "informer")
        await it.clock.advance(1)
        assert it.seen == {"a": 11}
        await it.clock.advance(10)
        assert it.seen == {"a": 11, "b": 12}
    assert it.api.asked == ["list"] * 3 + ["watch from 10"] + ["watch from 11"] * 9 + ["watch from 12"]


@pytest.mark.parametrize("word", [[], [DOWN], [EXPIRED]], ids=["ends at once", "is refused", "is expired"])
async def test_a_watch_that_brings_nothing_is_not_asked_for_in_a_busy_loop(word: Watch) -> None:
    async with scene([listing(10)] * 1000, [word] * 1000) as it:
        assert 20 <= sum(asked.startswith("watch") for asked in it.api.asked) <= 40  # in half a minute


async def test_an_older_version_never_replaces_a_newer_one() -> None:
    async with scene([listing(10, pod("a", 9))], [[modified("a", 12, phase="new")], [modified("a", 11)]]) as it:
        assert it.informer.get(Key("default", "a")) == pod("a", 12, phase="new")


async def test_a_late_answer_never_brings_back_what_the_watch_has_seen_the_end_of() -> None:
    async with scene([listing(10, pod("a", 9))], [[modified("a", 11), deleted("a", 12)]]) as it:
        it.informer.learn(pod("a", 11))
        assert it.seen == {}


# Breaks off twice, so that the informer waits for the clock before it watches on.
PAUSE: list[Watch] = [[DOWN], [DOWN]]


@asynccontextmanager
async def scene_in_a_pause(first: Listing, then: Watch) -> AsyncIterator[Scene]:
    """The scene while the watch is broken; `then` is what it says when the clock goes on."""
    it = Scene([first], [*PAUSE, then])
    async with TaskOwner() as owner:
        owner.start(it.informer.run(), "informer")
        await it.clock.advance(0)
        yield it


async def test_what_a_write_returned_is_seen_at_once_and_told_once() -> None:
    async with scene_in_a_pause(listing(10), [added("a", 11)]) as it:
        it.informer.learn(pod("a", 11))
        assert it.seen == {"a": 11}
        await it.clock.advance(30)
        assert it.told == ["+a"]


async def test_the_end_of_an_object_does_not_end_its_successor_of_the_same_name() -> None:
    async with scene_in_a_pause(listing(10, pod("a", 9)), [deleted("a", 11), added("a", 12)]) as it:
        it.informer.learn(pod("a", 12))
        await it.clock.advance(30)
        assert it.seen == {"a": 12}
        assert it.told == ["+a", "a"]
