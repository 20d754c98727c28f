"""What can be done with the objects of the API: the verbs, each one atomic. Every way in comes through here."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Final
from uuid import UUID

from meshsim.api.decode import Object, read_json, write_json
from meshsim.api.kinds import NAMESPACE, Kind
from meshsim.api.merge_patch import merge_patch
from meshsim.api.meta import Key, key_of
from meshsim.apiserver import refusals
from meshsim.apiserver.kinds.conversion import to_version
from meshsim.apiserver.kinds.definitions import DEFINITION, established
from meshsim.apiserver.kinds.schemas import full_schema
from meshsim.apiserver.refusals import Cause
from meshsim.apiserver.served_definitions import Definitions
from meshsim.apiserver.storage.selection import Selection
from meshsim.apiserver.storage.store import Store
from meshsim.apiserver.writing import scale, strategy
from meshsim.apiserver.writing.admission import FieldValidation, Warn, check_admission, check_fields, check_status
from meshsim.apiserver.writing.apply import Applying, applied
from meshsim.apiserver.writing.deletion import DeleteOptions, Deleter
from meshsim.apiserver.writing.generated_names import NameEndings
from meshsim.apiserver.writing.managers import Updating, managed_after, said_entries
from meshsim.apiserver.writing.patch import is_built_in, json_patch, patch_types, strategic_merge_patch
from meshsim.client.api import PatchType
from meshsim.kit.chance import Draw

NAMESPACES: Final = ("default", "kube-node-lease", "kube-public", "kube-system")
"""Those that every cluster begins with."""
_PERMANENT: Final = ("default", "kube-public", "kube-system")
_MAX_OBJECT_BYTES: Final = 3 * 1024 * 1024
_MAX_GENERATED_BASE: Final = 58


@dataclass(frozen=True, slots=True)
class WriteOptions:
    """How to write.

    `version` is the one the body is in, `subresource` the part of the object it is about, `dry_run` only tries,
    `warn` is told what the writer should know of a write that succeeds. `manager` owns what the write changes;
    without one nobody's fields are kept. `managed_fields` is who manages what from now on, None to find out.
    """

    version: str = ""
    subresource: str = ""
    dry_run: bool = False
    validation: FieldValidation = FieldValidation.IGNORE
    warn: Warn = field(default=lambda _: None)
    manager: str = ""
    managed_fields: list[Object] | None = None


_PLAIN: Final = WriteOptions()


class Registry:
    """The verbs over a store. No method waits; each raises ApiError; objects returned are shared: copy before changing.

    `now` tells the time that objects are stamped with, `draw` makes uids; a seed repeats generated names.
    """

    def __init__(self, store: Store, now: Callable[[], float], draw: Draw, seed: int | None = None) -> None:
        self.store = store
        self.now = now
        self._draw = draw
        self._endings = NameEndings(seed)
        self._deleter = Deleter(store)
        for name in NAMESPACES:
            if store.get(NAMESPACE, Key("", name)) is None:
                self.create(NAMESPACE, "", {"metadata": {"name": name}})
        self._definitions = Definitions(store, self._deleter)
        if DEFINITION in store.kinds:
            self._definitions.ship(now())

    def get(self, kind: Kind, key: Key, subresource: str = "") -> Object:
        """One object, or its scale, as readers see it."""
        return self._found(kind, key, self.store.published(kind, key), subresource)

    def select(self, kind: Kind, selection: Selection) -> list[Object]:
        """The objects of a selection as readers see them, by namespace and name."""
        return [obj for obj in self.store.all_published(kind, selection.namespace) if selection.matches(obj)]

    def create(self, kind: Kind, namespace: str, body: object, options: WriteOptions = _PLAIN) -> Object:
        """Store a new object."""
        obj = strategy.check_shape(kind, body, options.version)
        check_fields(kind, obj, options.validation, options.warn)
        name = self._new_name(kind, namespace, obj["metadata"])
        birth = strategy.Birth(namespace, self.now(), self._uid(), name)
        obj = strategy.prepare_create(kind, obj, birth)
        if kind == DEFINITION:
            obj["status"] = established(obj, birth.now)
        self._note_managers(kind, None, obj, options)
        check_admission(kind, obj, options.warn)
        key = key_of(obj)
        self._check_namespace(kind, key)
        if self.store.get(kind, key) is not None:
            raise refusals.already_exists(kind, key.name)
        if options.dry_run:
            return obj
        return self._stored(kind, obj)

    def replace(self, kind: Kind, key: Key, body: object, options: WriteOptions = _PLAIN) -> Object:
        """Put the object in the stored one's place: all of it, its status alone, or its scale."""
        old = self._newest(kind, key)
        self._check_subresource(kind, options.subresource)
        if options.subresource == "scale":
            scaled = strategy.prepare_update(kind, read_json(write_json(scale.with_scale(kind, old, body))), old)
            self._note_managers(kind, old, scaled, options)
            written = self._commit(kind, scaled, old, options)
            return scale.shown_scale(kind, written)
        obj = strategy.check_shape(kind, body, options.version)
        is_status = options.subresource == "status"
        # Of the body of a status write nothing else is looked at.
        written = {"status": obj.get("status")} if is_status else obj
        check_fields(kind, written, options.validation, options.warn)
        given = obj["metadata"].get("managedFields")
        prepare = strategy.prepare_status if is_status else strategy.prepare_update
        new = prepare(kind, obj, old)
        self._note_managers(kind, old, new, options, None if is_status else given)
        return self._commit(kind, new, old, options)

    def patch(self, kind: Kind, key: Key, patch: Any, how: PatchType, options: WriteOptions = _PLAIN) -> Object:
        """Change a part of the object, or of its scale."""
        shown = self._newest(kind, key, options.subresource)
        if options.subresource != "scale":
            shown = to_version(kind, options.version, shown)
        patched = self._patched(kind, shown, patch, how)
        changed = write_json(patched)
        if len(changed) > _MAX_OBJECT_BYTES:
            raise refusals.too_large(f"the object would be larger than {_MAX_OBJECT_BYTES} bytes")
        # The rules of writing own what they are given; a patch shares what it left alone.
        is_status = options.subresource == "status" and options.version in ("", kind.version)
        body = (_own_status(patched) if is_status else None) or read_json(changed)
        return self.replace(kind, key, body, options)

    def apply(self, kind: Kind, key: Key, body: object, applying: Applying, options: WriteOptions = _PLAIN) -> Object:
        """Server-side apply: make the object have what its manager wants; create it when there is none."""
        wanted = strategy.check_shape(kind, body, options.version)
        wanted["metadata"].setdefault("name", key.name)
        check_fields(kind, wanted, options.validation, options.warn)
        live = self.store.get(kind, key)
        if live is None and options.subresource:
            raise refusals.not_found(kind, key.name)
        merged, managed_fields = applied(kind, live, wanted, applying)
        merged = read_json(write_json(merged))
        # Fields are judged where they are wished for, not where others put them.
        unjudged = FieldValidation.IGNORE
        options = replace(options, version="", validation=unjudged, managed_fields=managed_fields, manager="")
        if live is None:
            return self.create(kind, key.namespace, merged, options)
        return self.replace(kind, key, merged, options)

    def delete(self, kind: Kind, key: Key, options: DeleteOptions, *, dry_run: bool = False) -> Object:
        """Delete it; returns its last state, which has a deletionTimestamp when something still holds it."""
        obj = self._newest(kind, key)
        self._deleter.check(kind, obj, options)
        if kind == NAMESPACE and key.name in _PERMANENT:
            raise refusals.forbidden(kind, key.name, "this namespace may not be deleted")
        if kind == DEFINITION:
            self._definitions.check_removal(obj)
        if dry_run:
            return obj
        last = self._deleter.delete(kind, obj, options, self.now())
        if kind == DEFINITION and self.store.get(kind, key) is None:
            self._definitions.drop(obj, self.now())
        return last

    def delete_all(
        self, kind: Kind, selection: Selection, options: DeleteOptions, *, dry_run: bool = False
    ) -> list[Object]:
        """Delete every object of a selection; returns their last states."""
        # What goes with an earlier one is not there any more when its turn comes.
        return [
            self.delete(kind, key_of(obj), options, dry_run=dry_run)
            for obj in self.select(kind, selection)
            if self.store.get(kind, key_of(obj)) is not None
        ]

    def _newest(self, kind: Kind, key: Key, subresource: str = "") -> Object:
        return self._found(kind, key, self.store.get(kind, key), subresource)

    def _found(self, kind: Kind, key: Key, obj: Object | None, subresource: str) -> Object:
        if obj is None:
            raise refusals.not_found(kind, key.name)
        self._check_subresource(kind, subresource)
        return scale.shown_scale(kind, obj) if subresource == "scale" else obj

    def _note_managers(
        self, kind: Kind, old: Object | None, new: Object, options: WriteOptions, given: list[Object] | None = None
    ) -> None:
        """Keep who manages what; `given` is what the writer says about it itself."""
        metadata, entries = new["metadata"], options.managed_fields
        if entries is None and options.manager:
            before = (old["metadata"].get("managedFields") if old is not None else None) or []
            known = said_entries(given, before)
            written_as = f"{kind.group}/{options.version or kind.version}".removeprefix("/")
            updating = Updating(options.manager, written_as, options.subresource, self.now())
            entries = managed_after(known, old, new, full_schema(kind), updating)
        if entries:
            metadata["managedFields"] = entries
        elif entries is not None:
            metadata.pop("managedFields", None)

    def _commit(self, kind: Kind, new: Object, old: Object, options: WriteOptions) -> Object:
        if strategy.is_same(new, old):
            return old
        if options.subresource == "status":
            check_status(kind, new)
        else:
            check_admission(kind, new, options.warn, old)
        if options.dry_run:
            return new
        gone = self._deleter.finish(kind, new, self.now())
        if gone is not None:
            if kind == DEFINITION:
                self._definitions.drop(gone, self.now())
            return gone
        if kind == DEFINITION and not options.subresource:
            new["status"] = established(new, self.now())
        return self._stored(kind, new)

    def _stored(self, kind: Kind, obj: Object) -> Object:
        stored = self.store.put(kind, obj)
        if kind == DEFINITION:
            self._definitions.serve(stored)
        self._deleter.collect(kind, stored, self.now())
        return stored

    @staticmethod
    def _patched(kind: Kind, obj: Object, patch: Any, how: PatchType) -> Any:
        match how:
            case PatchType.JSON:
                return json_patch(obj, patch)
            case PatchType.STRATEGIC if is_built_in(kind):
                return strategic_merge_patch(obj, _mapping(patch))
            case PatchType.MERGE:
                return merge_patch(obj, _mapping(patch))
            case _:
                raise refusals.unsupported_media_type(
                    "the body of the request was in an unknown format - accepted media types include: "
                    f"{', '.join(patch_types(kind))}"
                )

    @staticmethod
    def _check_subresource(kind: Kind, subresource: str) -> None:
        served = {"": True, "status": kind.has_status, "scale": kind.has_scale}
        if not served.get(subresource):
            raise refusals.no_such_path()

    def _check_namespace(self, kind: Kind, key: Key) -> None:
        if not kind.namespaced:
            return
        namespace = self.store.get(NAMESPACE, Key("", key.namespace))
        if namespace is None:
            raise refusals.not_found(NAMESPACE, key.namespace)
        if namespace["metadata"].get("deletionTimestamp"):
            problem = f"unable to create new content in namespace {key.namespace} because it is being terminated"
            cause = Cause(
                "metadata.namespace", f"namespace {key.namespace} is being terminated", "NamespaceTerminating"
            )
            raise refusals.forbidden(kind, key.name, problem, [cause])

    def _uid(self) -> str:
        bits = 0
        for _ in range(4):
            bits = bits << 32 | int(self._draw() * 2**32)
        return str(UUID(int=bits, version=4))

    def _new_name(self, kind: Kind, namespace: str, metadata: Object) -> str:
        """The name it asks for, or one that is made from its generateName; empty when it has neither."""
        name: str = metadata.get("name") or ""
        base: str = (metadata.get("generateName") or "")[:_MAX_GENERATED_BASE]
        if name or not base:
            return name
        return base + self._endings.ending(kind, namespace, base, lambda key: self.store.get(kind, key) is not None)


def _mapping(patch: object) -> Object:
    if not isinstance(patch, dict):
        raise refusals.bad_request("a patch of this type is an object")
    return patch


def _own_status(patched: Any) -> Object | None:
    """The object with a copy of what a status write may change; None for what is no such object."""
    if not isinstance(patched, dict) or not isinstance(patched.get("metadata"), dict):
        return None
    # Who manages what is not taken from such a write.
    metadata = {name: value for name, value in patched["metadata"].items() if name != "managedFields"}
    return {**patched, "metadata": metadata, "status": read_json(write_json(patched.get("status")))}
