"""Laws of a store with a log: readers see what the log has, whole commits in their order and nothing else."""

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from meshsim.api.decode import Object
from meshsim.api.kinds import CONFIG_MAP, POD, Kind
from meshsim.api.meta import Key, key_of
from meshsim.apiserver.storage.selection import Selection, seen
from meshsim.apiserver.storage.store import Event, Store

START = 100
NAMES = st.sampled_from(["a", "b", "c"])
STEPS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["put", "put", "own", "remove"]), NAMES),
        st.tuples(st.just("publish"), st.integers(0, 4)),
        st.tuples(st.just("withdraw"), st.none()),
    ),
    max_size=50,
)


class Reader:
    """A cache that is kept by the events alone."""

    def __init__(self) -> None:
        self.cache: dict[Key, Object] = {}
        self.versions = [START]

    def take(self, event: Event) -> None:
        told = seen(Selection(), event)
        assert told is not None
        key = key_of(told.object)
        assert (key in self.cache) is (told.type != "ADDED"), f"{told.type} of {key}"
        self.versions.append(event.version)
        if told.type == "DELETED":
            del self.cache[key]
        else:
            self.cache[key] = told.object

    @property
    def objects(self) -> list[Object]:
        return [self.cache[key] for key in sorted(self.cache)]


def take_step(store: Store, log: list[int], step: str, what: object, uid: Callable[[], str]) -> None:
    key = Key("default", str(what))
    old = store.get(CONFIG_MAP, key)
    match step:
        case "put" | "own":
            metadata = {"name": key.name, "namespace": "default", "uid": old["metadata"]["uid"] if old else uid()}
            owners = {"ownerReferences": [{"uid": "owner"}]} if step == "own" else {}
            store.put(CONFIG_MAP, {"metadata": {**metadata, **owners}})
        case "remove" if old is not None:
            store.remove(CONFIG_MAP, key)
        case "publish" if isinstance(what, int) and log:
            version = log[min(what, len(log) - 1)]
            del log[: log.index(version) + 1]
            store.publish(version)
        case "withdraw":
            log.clear()
            store.withdraw()


@given(STEPS)
def test_readers_see_the_published_commits_and_none_that_was_withdrawn(steps: list[tuple[str, object]]) -> None:
    log: list[int] = []
    store = Store((CONFIG_MAP, POD), START, log=lambda _, event: log.append(event.version))
    reader, born = Reader(), iter(range(1000))
    store.follow(CONFIG_MAP, reader.take)
    shown = store.all_published(CONFIG_MAP)
    for step, what in steps:
        take_step(store, log, step, what, lambda: f"uid-{next(born)}")
        if step != "publish":
            assert store.all_published(CONFIG_MAP) == shown, f"a {step} showed something"
        shown = store.all_published(CONFIG_MAP)
        assert shown == reader.objects
        assert [store.published(CONFIG_MAP, key_of(obj)) for obj in shown] == shown
        assert store.version == reader.versions[-1]
        assert reader.versions == sorted(set(reader.versions))
        if not log:
            assert store.objects(CONFIG_MAP) == shown, "with nothing to publish, writers and readers see the same"
        check_index(store, CONFIG_MAP)


def check_index(store: Store, kind: Kind) -> None:
    """What is found by uid and by owner is what is stored."""
    stored = store.objects(kind)
    for obj in stored:
        ref = store.with_uid(obj["metadata"]["uid"])
        assert ref is not None
        assert ref.key == key_of(obj)
    owned = [key_of(obj) for obj in stored if obj["metadata"].get("ownerReferences")]
    assert sorted(ref.key for ref in store.owned_by("owner")) == owned


@given(STEPS)
def test_a_watch_that_resumes_misses_no_published_commit(steps: list[tuple[str, object]]) -> None:
    log: list[int] = []
    store = Store((CONFIG_MAP,), START, log=lambda _, event: log.append(event.version))
    born = iter(range(1000))
    lists = [(store.version, store.all_published(CONFIG_MAP))]
    for step, what in steps:
        take_step(store, log, step, what, lambda: f"uid-{next(born)}")
        lists.append((store.version, store.all_published(CONFIG_MAP)))
    for version, items in lists:
        reader = Reader()
        reader.cache = {key_of(obj): obj for obj in items}
        for event in store.since(CONFIG_MAP, version):
            reader.take(event)
        assert reader.objects == store.all_published(CONFIG_MAP)
