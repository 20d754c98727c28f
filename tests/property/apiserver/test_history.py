"""Laws of the store's history: what a watcher can rely on, whatever is written in whatever order."""

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshsim.api.decode import Object
from meshsim.api.kinds import CONFIG_MAP, KINDS
from meshsim.api.meta import Key, key_of
from meshsim.apiserver.registry import Registry
from meshsim.apiserver.storage.selection import Selection, seen, selection_of
from meshsim.apiserver.storage.store import Event, Store
from meshsim.apiserver.writing.deletion import DeleteOptions
from meshsim.client.api import AlreadyExistsError, ConflictError, InvalidError, NotFoundError, PatchType
from meshsim.kit.chance import draws
from tests.kits.manifests import config_map

pytestmark = pytest.mark.property

NAMES = st.sampled_from(["a", "b", "c"])
TIERS = st.sampled_from(["x", "y"])
WRITES = st.lists(
    st.one_of(
        st.tuples(st.just("create"), NAMES, TIERS),
        st.tuples(st.just("label"), NAMES, TIERS),
        st.tuples(st.just("data"), NAMES, TIERS),
        st.tuples(st.just("delete"), NAMES, TIERS),
        st.tuples(st.just("finalize"), NAMES, TIERS),
    ),
    max_size=40,
)


@dataclass
class Follower:
    """A client's cache, kept by the events alone."""

    selection: Selection
    cache: dict[Key, Object] = field(default_factory=dict)
    told: list[tuple[str, int]] = field(default_factory=list)

    def take(self, event: Event) -> None:
        told = seen(self.selection, event)
        if told is None:
            return
        kind, obj = told.type, told.object
        self.told.append((kind, int(obj["metadata"]["resourceVersion"])))
        present = key_of(obj) in self.cache
        assert present is (kind != "ADDED"), f"{kind} of what is {'there' if present else 'not there'}"
        if kind == "DELETED":
            del self.cache[key_of(obj)]
        else:
            self.cache[key_of(obj)] = obj

    @property
    def objects(self) -> list[Object]:
        return [self.cache[key] for key in sorted(self.cache)]


def new_registry() -> Registry:
    return Registry(Store(KINDS, 1), lambda: 1_767_225_600.0, draws(1), seed=1)


def write(registry: Registry, verb: str, name: str, tier: str) -> None:
    key = Key("default", name)
    try:
        match verb:
            case "create":
                finalizers = ["x.io/f"] if tier == "x" else []
                body = config_map(name, labels={"tier": tier}, finalizers=finalizers)
                registry.create(CONFIG_MAP, "default", body)
            case "label":
                registry.patch(CONFIG_MAP, key, {"metadata": {"labels": {"tier": tier}}}, PatchType.MERGE)
            case "data":
                registry.patch(CONFIG_MAP, key, {"data": {"tier": tier}}, PatchType.MERGE)
            case "finalize":
                registry.patch(CONFIG_MAP, key, {"metadata": {"finalizers": None}}, PatchType.MERGE)
            case _:
                registry.delete(CONFIG_MAP, key, DeleteOptions())
    except (NotFoundError, AlreadyExistsError, InvalidError):
        pass


@given(WRITES, st.data())
def test_a_watch_from_any_version_arrives_at_the_list(writes: list[tuple[str, str, str]], data: st.DataObject) -> None:
    registry = new_registry()
    snapshots = [(registry.store.version, registry.select(CONFIG_MAP, Selection()))]
    for each in writes:
        write(registry, *each)
        snapshots.append((registry.store.version, registry.select(CONFIG_MAP, Selection())))
    version, items = data.draw(st.sampled_from(snapshots))
    follower = Follower(Selection(), {key_of(obj): obj for obj in items})
    for event in registry.store.since(CONFIG_MAP, version):
        follower.take(event)
    assert follower.objects == registry.select(CONFIG_MAP, Selection())


@given(WRITES)
def test_a_selection_is_told_each_coming_and_going_once(writes: list[tuple[str, str, str]]) -> None:
    registry = new_registry()
    selection = selection_of(CONFIG_MAP, "default", "tier=x")
    follower = Follower(selection)
    registry.store.follow(CONFIG_MAP, follower.take)
    for each in writes:
        write(registry, *each)
    assert follower.objects == registry.select(CONFIG_MAP, selection)


@given(WRITES)
def test_versions_only_rise_and_a_write_without_effect_has_none(writes: list[tuple[str, str, str]]) -> None:
    registry = new_registry()
    follower = Follower(Selection())
    registry.store.follow(CONFIG_MAP, follower.take)
    for each in writes:
        before = registry.store.version
        write(registry, *each)
        assert registry.store.version - before <= 1, "one write is at most one commit here"
    versions = [version for _, version in follower.told]
    assert versions == sorted(set(versions))


@given(st.lists(st.tuples(st.integers(0, 3), st.booleans()), max_size=60))
def test_no_update_under_a_version_is_lost(steps: list[tuple[int, bool]]) -> None:
    """Writers that read, think and write back a counter: every accepted write is in the end's sum."""
    registry = new_registry()
    registry.create(CONFIG_MAP, "default", config_map("a", data={"n": "0"}))
    key = Key("default", "a")
    held: dict[int, Object] = {}
    accepted = 0
    for writer, reads in steps:
        if reads or writer not in held:
            held[writer] = registry.get(CONFIG_MAP, key)
            continue
        counter = int(held[writer]["data"]["n"]) + 1
        body = {**held[writer], "metadata": {**held[writer]["metadata"]}, "data": {"n": str(counter)}}
        try:
            registry.replace(CONFIG_MAP, key, body)
        except ConflictError:
            continue
        accepted += 1
    assert registry.get(CONFIG_MAP, key)["data"]["n"] == str(accepted)
