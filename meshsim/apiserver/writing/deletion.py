"""Deleting: finalizers, graceful pods, owners and what they own, namespaces. Pure, over the store.

All of a deletion's consequences that need nobody else happen inside the call: a real garbage collector gets
there a moment later.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

from meshsim.api.core import TERMINAL_PHASES
from meshsim.api.decode import Object
from meshsim.api.kinds import NAMESPACE, POD, Kind, kind_named
from meshsim.api.meta import Key, key_of
from meshsim.apiserver import refusals
from meshsim.apiserver.storage.store import Ref, Store
from meshsim.kit.timestamps import to_rfc3339

FOREGROUND: Final = "foregroundDeletion"
_DEFAULT_GRACE_S: Final = 30
POLICIES: Final = ("Background", "Foreground", "Orphan")


@dataclass(frozen=True, slots=True)
class DeleteOptions:
    """How to delete. `grace_s` None is the pod's own; `uid` and `version`, when given, must be the object's."""

    propagation: str = "Background"
    grace_s: int | None = None
    uid: str = ""
    version: str = ""


class Deleter:
    """Deletes objects of a store, with everything that follows from it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._consequences: deque[Callable[[], None]] = deque()
        self._is_following = False

    def check(self, kind: Kind, obj: Object, options: DeleteOptions) -> None:
        """Raises ConflictError when the object is not the one the caller means."""
        metadata = obj["metadata"]
        for what, asked, found in (
            ("UID", options.uid, metadata["uid"]),
            ("ResourceVersion", options.version, metadata["resourceVersion"]),
        ):
            if asked and asked != found:
                problem = f"Precondition failed: {what} in precondition: {asked}, {what} in object meta: {found}"
                raise refusals.conflict(kind, metadata["name"], problem)

    def delete(self, kind: Kind, obj: Object, options: DeleteOptions, now: float) -> Object:
        """Delete a stored object; returns its last state, which has a deletionTimestamp when it still lives."""
        if options.propagation == "Orphan":
            self._orphan(obj)
        grace_s = _grace_s(obj, options) if kind == POD else 0
        finalizers = list(obj["metadata"].get("finalizers") or ())
        uid = obj["metadata"]["uid"]
        foreground = options.propagation == "Foreground" and bool(self._store.owned_by(uid))
        if foreground and FOREGROUND not in finalizers:
            finalizers.append(FOREGROUND)
        lives_on = bool(finalizers) or grace_s > 0 or (kind == NAMESPACE and not self._is_empty(key_of(obj).name))
        if not lives_on:
            return self._remove(kind, key_of(obj), now)
        marked = self._mark(kind, obj, finalizers, grace_s, now)
        if kind == NAMESPACE:
            self._empty(key_of(obj).name, now)
        if foreground:
            self._then(partial(self._delete_owned, uid, options.propagation, now))
            self._then(partial(self._release, Ref(kind, key_of(obj)), now))
        # What followed may have removed or changed it.
        return self._store.get(kind, key_of(marked)) or marked

    def finish(self, kind: Kind, obj: Object, now: float) -> Object | None:
        """Remove what was only waiting for its last finalizer, which a write has now taken off.

        Returns its last state, or None when there is still something to wait for.
        """
        metadata = obj["metadata"]
        if not metadata.get("deletionTimestamp") or metadata.get("finalizers"):
            return None
        if metadata.get("deletionGracePeriodSeconds") or (kind == NAMESPACE and not self._is_empty(metadata["name"])):
            return None
        return self._remove(kind, key_of(obj), now)

    def collect(self, kind: Kind, obj: Object, now: float) -> None:
        """Delete what was written after all its owners had gone."""
        if not obj["metadata"].get("deletionTimestamp") and self._is_orphaned(obj):
            self.delete(kind, obj, DeleteOptions(), now)

    def _mark(self, kind: Kind, obj: Object, finalizers: list[str], grace_s: int, now: float) -> Object:
        """Store that the object is being deleted; a second deletion can only bring the end nearer."""
        metadata = obj["metadata"]
        known = metadata.get("deletionGracePeriodSeconds")
        if metadata.get("deletionTimestamp") and known is not None and known <= grace_s:
            grace_s = known
        marked = {**metadata, "deletionGracePeriodSeconds": grace_s}
        if "deletionTimestamp" not in metadata and kind.counts_generations:
            marked["generation"] = int(metadata.get("generation") or 0) + 1
        if "deletionTimestamp" not in metadata or known != grace_s:
            marked["deletionTimestamp"] = to_rfc3339(now + grace_s)
        if finalizers:
            marked["finalizers"] = finalizers
        if marked == metadata:
            return obj
        changed = {**obj, "metadata": marked}
        if kind == NAMESPACE:
            changed["status"] = {**(obj.get("status") or {}), "phase": "Terminating"}
        return self._store.put(kind, changed)

    def _remove(self, kind: Kind, key: Key, now: float) -> Object:
        gone = self._store.remove(kind, key)
        metadata = gone["metadata"]
        self._then(partial(self._delete_owned, metadata["uid"], "Background", now))
        for owner in metadata.get("ownerReferences") or ():
            ref = self._store.with_uid(owner["uid"])
            if ref is not None:
                self._then(partial(self._release, ref, now))
        if metadata.get("namespace"):
            self._then(partial(self._release_namespace, metadata["namespace"], now))
        return gone

    def _then(self, consequence: Callable[[], None]) -> None:
        """Do it now or, inside another consequence, after that one: owners may own each other a thousand deep."""
        self._consequences.append(consequence)
        if self._is_following:
            return
        self._is_following = True
        try:
            while self._consequences:
                self._consequences.popleft()()
        finally:
            self._is_following = False

    def _delete_owned(self, uid: str, propagation: str, now: float) -> None:
        """Delete what has no other owner left; what has one only loses this reference."""
        for ref in self._store.owned_by(uid):
            obj = self._store.get(*ref)
            if obj is None or obj["metadata"].get("deletionTimestamp"):
                continue
            others = [owner for owner in obj["metadata"]["ownerReferences"] if owner["uid"] != uid]
            if any(self._store.with_uid(owner["uid"]) for owner in others):
                self._store.put(ref.kind, {**obj, "metadata": {**obj["metadata"], "ownerReferences": others}})
            else:
                self.delete(ref.kind, obj, DeleteOptions(propagation), now)

    def _orphan(self, owner: Object) -> None:
        uid = owner["metadata"]["uid"]
        for ref in self._store.owned_by(uid):
            obj = self._store.get(*ref)
            if obj is None:
                continue
            metadata = {**obj["metadata"]}
            others = [reference for reference in metadata.pop("ownerReferences") if reference["uid"] != uid]
            if others:
                metadata["ownerReferences"] = others
            self._store.put(ref.kind, {**obj, "metadata": metadata})

    def _release(self, ref: Ref, now: float) -> None:
        """Let an owner that is deleted in the foreground go, once nothing that blocks it is left."""
        obj = self._store.get(*ref)
        if obj is None or FOREGROUND not in (obj["metadata"].get("finalizers") or ()):
            return
        if not obj["metadata"].get("deletionTimestamp") or self._is_blocked(obj):
            return
        metadata = {**obj["metadata"]}
        metadata["finalizers"] = [name for name in metadata["finalizers"] if name != FOREGROUND]
        if metadata["finalizers"]:
            self._store.put(ref.kind, {**obj, "metadata": metadata})
        else:
            self._remove(ref.kind, ref.key, now)

    def _is_blocked(self, owner: Object) -> bool:
        uid = owner["metadata"]["uid"]
        owned = (self._store.get(*ref) for ref in self._store.owned_by(uid))
        return any(
            reference["uid"] == uid and reference.get("blockOwnerDeletion")
            for obj in owned
            if obj is not None
            for reference in obj["metadata"]["ownerReferences"]
        )

    def _is_orphaned(self, obj: Object) -> bool:
        """All its owners are gone. An owner of a kind not kept here may well live elsewhere."""
        owners = obj["metadata"].get("ownerReferences") or ()
        return bool(owners) and not any(self._lives(obj, owner) for owner in owners)

    def _lives(self, obj: Object, owner: Object) -> bool:
        owner_kind = kind_named(owner.get("apiVersion") or "", owner.get("kind") or "", self._store.kinds)
        if owner_kind is None:
            return True
        ref = self._store.with_uid(owner["uid"])
        return ref is not None and ref.key.namespace in ("", key_of(obj).namespace)

    def _is_empty(self, namespace: str) -> bool:
        return not any(self._store.objects(kind, namespace) for kind in self._store.kinds if kind.namespaced)

    def _empty(self, namespace: str, now: float) -> None:
        for kind in self._store.kinds:
            if not kind.namespaced:
                continue
            for obj in self._store.objects(kind, namespace):
                present = self._store.get(kind, key_of(obj))
                if present is not None and not present["metadata"].get("deletionTimestamp"):
                    self.delete(kind, present, DeleteOptions(), now)

    def _release_namespace(self, name: str, now: float) -> None:
        namespace = self._store.get(NAMESPACE, Key("", name))
        if namespace is not None:
            self.finish(NAMESPACE, namespace, now)


def _grace_s(pod: Object, options: DeleteOptions) -> int:
    spec, status = pod.get("spec") or {}, pod.get("status") or {}
    never_ran = not spec.get("nodeName") and not status.get("podIP")
    if never_ran or status.get("phase") in TERMINAL_PHASES:
        return 0
    if options.grace_s is not None:
        return options.grace_s
    grace_s = spec.get("terminationGracePeriodSeconds")
    return grace_s if isinstance(grace_s, int) and grace_s >= 0 else _DEFAULT_GRACE_S
