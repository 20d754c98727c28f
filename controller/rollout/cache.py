"""What the rollout controller knows: caches of the kinds it looks at, and who belongs to and refers to whom."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Final

from controller.rollout.references import controller_uid, references_of
from meshsim.api.decode import Object
from meshsim.api.kinds import (
    ANALYSIS_RUN,
    ANALYSIS_TEMPLATE,
    CLUSTER_ANALYSIS_TEMPLATE,
    DEPLOYMENT,
    DESTINATION_RULE,
    EXPERIMENT,
    POD,
    POD_TEMPLATE,
    REPLICA_SET,
    ROLLOUT,
    SERVICE,
    VIRTUAL_SERVICE,
    Kind,
)
from meshsim.api.meta import Key, key_of
from meshsim.client.informer import Change, Informer

WATCHED: Final = (
    ROLLOUT,
    REPLICA_SET,
    POD,
    SERVICE,
    VIRTUAL_SERVICE,
    DESTINATION_RULE,
    DEPLOYMENT,
    POD_TEMPLATE,
    ANALYSIS_RUN,
    EXPERIMENT,
    ANALYSIS_TEMPLATE,
    CLUSTER_ANALYSIS_TEMPLATE,
)
_OWNED: Final = (REPLICA_SET, POD, ANALYSIS_RUN, EXPERIMENT)
REFERENCED: Final = (SERVICE, VIRTUAL_SERVICE, DESTINATION_RULE, DEPLOYMENT, REPLICA_SET, POD_TEMPLATE)


class Cache:
    """The informers of the watched kinds, and two indexes over them."""

    def __init__(self, informer: Callable[[Kind], Informer]) -> None:
        self.informers = {kind: informer(kind) for kind in WATCHED}
        self._by_owner: dict[tuple[Kind, str], set[Key]] = defaultdict(set)
        self._references: dict[Key, set[tuple[Kind, Key]]] = {}
        self._referrers: dict[tuple[Kind, Key], set[Key]] = defaultdict(set)
        self._own_services: dict[Key, str] = {}
        self._being_written: set[Key] = set()
        for kind in _OWNED:
            self.informers[kind].on_change(self._owner_indexer(kind))
        self.informers[ROLLOUT].on_change(self._index_references)

    def get(self, kind: Kind, key: Key) -> Object | None:
        """One object as last seen."""
        return self.informers[kind].get(key)

    def owned(self, kind: Kind, owner_uid: str) -> list[Object]:
        """The objects of a kind that are controlled by that owner, by name; by nobody for an empty uid."""
        informer, keys = self.informers[kind], sorted(self._by_owner.get((kind, owner_uid), ()))
        return [obj for key in keys if (obj := informer.get(key)) is not None]

    def names_in(self, kind: Kind, namespace: str, prefix: str) -> Iterable[Object]:
        """The objects of a namespace whose names begin so."""
        for obj in self.informers[kind].all():
            metadata = obj["metadata"]
            if metadata.get("namespace") == namespace and metadata["name"].startswith(prefix):
                yield obj

    def referrers(self, kind: Kind, key: Key) -> frozenset[Key]:
        """The rollouts that name this object."""
        return frozenset(self._referrers.get((kind, key), ()))

    def expect(self, kind: Kind, key: Key) -> None:
        """A write of our own to that object is about to begin: its event may come before its answer."""
        if kind == SERVICE:
            self._being_written.add(key)

    def learn(self, kind: Kind, obj: Object) -> None:
        """Take in what a write of our own returned."""
        if kind == SERVICE:
            self._being_written.discard(key_of(obj))
            self._own_services[key_of(obj)] = obj["metadata"]["resourceVersion"]
        if kind in self.informers:
            self.informers[kind].learn(obj)

    def is_own_service_write(self, change: Change) -> bool:
        """The change of a Service is the last one that we made ourselves, or comes while we make one."""
        if change.new is None:
            self._own_services.pop(change.key, None)
            self._being_written.discard(change.key)
            return False
        if change.key in self._being_written:
            return True
        version: str = change.new["metadata"]["resourceVersion"]
        return self._own_services.get(change.key) == version

    def _owner_indexer(self, kind: Kind) -> Callable[[Change], None]:
        def index(change: Change) -> None:
            before, after = (None if obj is None else controller_uid(obj) for obj in (change.old, change.new))
            if before is not None and before != after:
                keys = self._by_owner[kind, before]
                keys.discard(change.key)
                if not keys:
                    del self._by_owner[kind, before]
            if after is not None:
                self._by_owner[kind, after].add(change.key)

        return index

    def _index_references(self, change: Change) -> None:
        for reference in self._references.pop(change.key, ()):
            self._referrers[reference].discard(change.key)
            if not self._referrers[reference]:
                del self._referrers[reference]
        if change.new is None:
            return
        references = references_of(change.new)
        self._references[change.key] = references
        for reference in references:
            self._referrers[reference].add(change.key)
