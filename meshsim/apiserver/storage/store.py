"""The store: objects by kind and key, one version counter for all of them, and what happened lately.

Pure: nothing here waits, so a commit is a plain call and no write is ever lost between a read and a write.
Stored objects are never changed; every write puts a new one in their place, and readers share what is stored.

Writers build on the newest commit. Readers see a commit once it is published: at once without a log, and with one
when the log has it, so that nobody ever saw what a crash undoes.
"""

from collections import deque
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field
from itertools import islice
from typing import Final, NamedTuple

from meshsim.api.decode import Object
from meshsim.api.kinds import Kind
from meshsim.api.meta import Key, key_of
from meshsim.apiserver import refusals

RING_EVENTS: Final = 2048
"""How many events of each kind are kept for watches that resume."""


class Ref(NamedTuple):
    """Where an object is stored."""

    kind: Kind
    key: Key


@dataclass(frozen=True, slots=True)
class Event:
    """One commit: the object before and after it; `old` is None when it is new, `new` is None when it is gone."""

    version: int
    old: Object | None
    new: Object | None
    frames: dict[Hashable, bytes] = field(default_factory=dict, compare=False, repr=False)
    """The event as sent, by representation: encoded for the first watcher, shared by the others."""

    @property
    def last(self) -> Object:
        """The object before the commit, under the commit's version: what a watch is told has gone."""
        if self.old is None:
            raise ValueError("what is new has no past")
        return versioned(self.old, self.version)


Sink = Callable[[Event], None]
"""Told each published event of a kind, in order: it must return at once."""
CommitLog = Callable[[Kind, Event], None]
"""Told every commit of every kind, in order; then it must `publish` or `withdraw` them."""


class Store:
    """A versioned map of objects.

    `version` is the number of the newest published commit; it starts at the given one and only rises. Not known to
    the store: what the objects mean, beyond `metadata`.
    """

    def __init__(self, kinds: Iterable[Kind], version: int, *, log: CommitLog | None = None) -> None:
        self.version = version
        self.kinds = tuple(kinds)
        self._committed_version = version
        self._log = log
        self._objects: dict[Kind, dict[Key, Object]] = {kind: {} for kind in self.kinds}
        self._unpublished: deque[tuple[Ref, Event]] = deque()
        self._still_seen: dict[Kind, dict[Key, Object | None]] = {kind: {} for kind in self.kinds}
        self._rings: dict[Kind, deque[Event]] = {kind: deque() for kind in self.kinds}
        self._floors: dict[Kind, int] = dict.fromkeys(self.kinds, version)
        self._sinks: dict[Kind, dict[int, Sink]] = {kind: {} for kind in self.kinds}
        self._sink_count = 0
        self._by_uid: dict[str, Ref] = {}
        self._by_owner: dict[str, dict[Ref, None]] = {}

    def __repr__(self) -> str:
        return f"<Store of {len(self._by_uid)} objects at {self.version}>"

    def get(self, kind: Kind, key: Key) -> Object | None:
        """The object as the next write finds it."""
        return self._objects[kind].get(key)

    def objects(self, kind: Kind, namespace: str | None = None) -> list[Object]:
        """The objects of a namespace, or of all, as the next write finds them, by namespace and name."""
        return _sorted(self._objects[kind], namespace)

    def published(self, kind: Kind, key: Key) -> Object | None:
        """The object as readers see it."""
        seen = self._still_seen[kind]
        return seen[key] if key in seen else self._objects[kind].get(key)

    def all_published(self, kind: Kind, namespace: str | None = None) -> list[Object]:
        """The objects of a namespace, or of all, as readers see them, by namespace and name."""
        seen = self._still_seen[kind]
        if not seen:
            return self.objects(kind, namespace)
        shown = {**self._objects[kind], **seen}
        return _sorted({key: obj for key, obj in shown.items() if obj is not None}, namespace)

    def with_uid(self, uid: str) -> Ref | None:
        """Where the object with that uid is, if it still is."""
        return self._by_uid.get(uid)

    def owned_by(self, uid: str) -> list[Ref]:
        """The objects that name this uid as an owner."""
        return list(self._by_owner.get(uid, ()))

    def serve(self, kind: Kind) -> None:
        """Keep objects of that kind too, or go by what is newly known of it."""
        if kind not in self._objects:
            self._objects[kind] = {}
            self._still_seen[kind] = {}
            self._rings[kind] = deque()
            self._floors[kind] = self._committed_version
            self._sinks[kind] = {}
        self.kinds = (*(known for known in self.kinds if known != kind), kind)

    def stop_serving(self, kind: Kind) -> None:
        """Know the kind no more; what its watches have still to be told they are told."""
        self.kinds = tuple(known for known in self.kinds if known != kind)

    def restore(self, kind: Kind, obj: Object) -> None:
        """Take in an object as it was stored before; no event, no new version."""
        ref = Ref(kind, key_of(obj))
        self._objects[kind][ref.key] = obj
        self._index(ref, None, obj)

    def put(self, kind: Kind, obj: Object) -> Object:
        """Store the object, new or in place of the one with its key; returns it as stored, with its version."""
        key = key_of(obj)
        self._committed_version += 1
        stored = versioned(obj, self._committed_version)
        old = self._objects[kind].get(key)
        self._objects[kind][key] = stored
        self._committed(Ref(kind, key), Event(self._committed_version, old, stored))
        return stored

    def remove(self, kind: Kind, key: Key) -> Object:
        """Drop the object; returns its last state under the removal's version. Raises KeyError when there is none."""
        old = self._objects[kind].pop(key)
        self._committed_version += 1
        event = Event(self._committed_version, old, None)
        self._committed(Ref(kind, key), event)
        return event.last

    def publish(self, version: int) -> None:
        """Show readers all commits up to that version, and tell those who follow."""
        while self._unpublished and self._unpublished[0][1].version <= version:
            ref, event = self._unpublished.popleft()
            seen = self._still_seen[ref.kind]
            if self._objects[ref.kind].get(ref.key) is event.new:
                seen.pop(ref.key, None)
            else:
                seen[ref.key] = event.new
            self._tell(ref.kind, event)

    def withdraw(self) -> None:
        """Undo all commits that are not published; their versions are not given again."""
        while self._unpublished:
            ref, event = self._unpublished.pop()
            if event.old is None:
                del self._objects[ref.kind][ref.key]
            else:
                self._objects[ref.kind][ref.key] = event.old
            self._index(ref, event.new, event.old)
        for seen in self._still_seen.values():
            seen.clear()

    def follow(self, kind: Kind, sink: Sink) -> Callable[[], None]:
        """Tell the sink every event of the kind that is published from now on; returns how to stop that."""
        self._sink_count += 1
        number = self._sink_count
        self._sinks[kind][number] = sink

        def unfollow() -> None:
            self._sinks[kind].pop(number, None)

        return unfollow

    def since(self, kind: Kind, version: int) -> list[Event]:
        """The kind's events after that version, oldest first.

        Raises ExpiredError when the history doesn't reach back that far, or the version is not of this history.
        """
        floor = self._floors[kind]
        if version < floor or version > self.version:
            raise refusals.expired(f"too old resource version: {version} ({floor})")
        ring = self._rings[kind]
        newer = 0
        for event in reversed(ring):
            if event.version <= version:
                break
            newer += 1
        return list(islice(ring, len(ring) - newer, None))

    def _committed(self, ref: Ref, event: Event) -> None:
        self._index(ref, event.old, event.new)
        if self._log is None:
            self._tell(ref.kind, event)
            return
        self._unpublished.append((ref, event))
        self._still_seen[ref.kind].setdefault(ref.key, event.old)
        self._log(ref.kind, event)

    def _tell(self, kind: Kind, event: Event) -> None:
        self.version = event.version
        ring = self._rings[kind]
        if len(ring) == RING_EVENTS:
            self._floors[kind] = ring.popleft().version
        ring.append(event)
        for sink in list(self._sinks[kind].values()):
            sink(event)

    def _index(self, ref: Ref, old: Object | None, new: Object | None) -> None:
        if old is not None and new is None:
            self._by_uid.pop(old["metadata"]["uid"], None)
        elif new is not None:
            self._by_uid[new["metadata"]["uid"]] = ref
        before, after = _owner_uids(old), _owner_uids(new)
        for uid in before - after:
            owned = self._by_owner[uid]
            owned.pop(ref, None)
            if not owned:
                del self._by_owner[uid]
        for uid in after - before:
            self._by_owner.setdefault(uid, {})[ref] = None


def versioned(obj: Object, version: int) -> Object:
    """The object under that version; everything else is shared with it."""
    return {**obj, "metadata": {**obj["metadata"], "resourceVersion": str(version)}}


def _sorted(objects: dict[Key, Object], namespace: str | None) -> list[Object]:
    return [objects[key] for key in sorted(objects) if namespace is None or key.namespace == namespace]


def _owner_uids(obj: Object | None) -> set[str]:
    owners = obj["metadata"].get("ownerReferences") if obj is not None else None
    return {owner["uid"] for owner in owners} if owners else set()
