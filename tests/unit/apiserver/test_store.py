import pytest

from meshsim.api.decode import Object
from meshsim.api.kinds import CONFIG_MAP, POD, REPLICA_SET, SERVICE
from meshsim.api.meta import Key
from meshsim.apiserver.storage.store import RING_EVENTS, Event, Store
from meshsim.client.api import ExpiredError
from tests.kits.manifests import owned_by

START = 1000


@pytest.fixture
def store() -> Store:
    return Store((CONFIG_MAP, POD, REPLICA_SET, SERVICE), START)


def stored(name: str, **fields: object) -> Object:
    metadata = {"name": name, "namespace": "default", "uid": f"uid-of-{name}", **fields}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}


def test_every_commit_of_any_kind_has_the_next_version(store: Store) -> None:
    first = store.put(CONFIG_MAP, stored("a"))
    second = store.put(SERVICE, stored("b"))
    gone = store.remove(CONFIG_MAP, Key("default", "a"))
    assert [obj["metadata"]["resourceVersion"] for obj in (first, second, gone)] == ["1001", "1002", "1003"]
    assert store.version == 1003


def test_a_write_leaves_the_object_that_readers_hold_as_it_was(store: Store) -> None:
    held = store.put(CONFIG_MAP, stored("a"))
    store.put(CONFIG_MAP, held | {"data": {"k": "v"}})
    assert "data" not in held
    assert held["metadata"]["resourceVersion"] == "1001"


def test_objects_come_by_namespace_and_name(store: Store) -> None:
    for namespace, name in (("b", "x"), ("a", "z"), ("a", "y")):
        store.put(CONFIG_MAP, stored(name, namespace=namespace, uid=namespace + name))
    names = [(obj["metadata"]["namespace"], obj["metadata"]["name"]) for obj in store.objects(CONFIG_MAP)]
    assert names == [("a", "y"), ("a", "z"), ("b", "x")]
    assert len(store.objects(CONFIG_MAP, "a")) == 2


def test_the_history_after_a_version_is_what_came_after_it(store: Store) -> None:
    store.put(CONFIG_MAP, stored("a"))
    store.put(CONFIG_MAP, stored("b"))
    store.put(POD, stored("p"))
    assert [event.version for event in store.since(CONFIG_MAP, START)] == [1001, 1002]
    assert [event.version for event in store.since(CONFIG_MAP, 1001)] == [1002]
    assert store.since(CONFIG_MAP, store.version) == []


def test_a_version_from_before_the_start_has_expired(store: Store) -> None:
    with pytest.raises(ExpiredError, match="too old resource version"):
        store.since(CONFIG_MAP, START - 1)


def test_a_version_of_another_history_has_expired(store: Store) -> None:
    with pytest.raises(ExpiredError):
        store.since(CONFIG_MAP, store.version + 1)


def test_a_full_ring_forgets_its_oldest_events_and_says_so(store: Store) -> None:
    for _ in range(RING_EVENTS + 1):
        store.put(CONFIG_MAP, stored("a"))
    assert len(store.since(CONFIG_MAP, START + 1)) == RING_EVENTS
    with pytest.raises(ExpiredError):
        store.since(CONFIG_MAP, START)
    assert store.since(POD, START) == [], "a quiet kind keeps its whole history"


def test_what_is_gone_is_told_with_its_last_state_under_the_removals_version(store: Store) -> None:
    told: list[Event] = []
    store.put(CONFIG_MAP, stored("a") | {"data": {"k": "v"}})
    stop = store.follow(CONFIG_MAP, told.append)
    store.remove(CONFIG_MAP, Key("default", "a"))
    stop()
    store.put(CONFIG_MAP, stored("b"))
    [event] = told
    assert event.new is None
    assert event.last["data"] == {"k": "v"}
    assert event.last["metadata"]["resourceVersion"] == str(event.version) == "1002"


def test_a_sink_may_stop_following_while_it_is_told(store: Store) -> None:
    told: list[int] = []

    def once(event: Event) -> None:
        told.append(event.version)
        stop()

    stop = store.follow(CONFIG_MAP, once)
    store.follow(CONFIG_MAP, lambda event: told.append(event.version))
    store.put(CONFIG_MAP, stored("a"))
    store.put(CONFIG_MAP, stored("b"))
    assert told == [1001, 1001, 1002]


def test_objects_are_found_by_uid_and_by_owner_until_that_changes(store: Store) -> None:
    owner = store.put(REPLICA_SET, stored("rs"))
    child = store.put(POD, stored("p", **owned_by(owner)))
    assert store.with_uid("uid-of-p") == (POD, Key("default", "p"))
    assert store.owned_by("uid-of-rs") == [(POD, Key("default", "p"))]
    store.put(POD, child | {"metadata": {**child["metadata"], "ownerReferences": []}})
    assert store.owned_by("uid-of-rs") == []
    store.remove(POD, Key("default", "p"))
    assert store.with_uid("uid-of-p") is None


def test_a_restored_object_keeps_its_version_and_is_no_event(store: Store) -> None:
    store.restore(CONFIG_MAP, stored("a", resourceVersion="7"))
    obj = store.get(CONFIG_MAP, Key("default", "a"))
    assert obj is not None
    assert obj["metadata"]["resourceVersion"] == "7"
    assert store.version == START
    assert store.since(CONFIG_MAP, START) == []


def test_every_commit_is_logged_in_order() -> None:
    log: list[tuple[str, int]] = []
    store = Store((CONFIG_MAP, POD), START, log=lambda kind, event: log.append((kind.kind, event.version)))
    store.put(POD, stored("p"))
    store.put(CONFIG_MAP, stored("a"))
    store.remove(POD, Key("default", "p"))
    assert log == [("Pod", 1001), ("ConfigMap", 1002), ("Pod", 1003)]
