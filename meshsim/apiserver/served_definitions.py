"""The definitions of a store at work: what is defined is served, what is no longer defined is not."""

from meshsim.api.decode import Object
from meshsim.api.meta import key_of
from meshsim.apiserver import refusals
from meshsim.apiserver.kinds.custom import CustomKind
from meshsim.apiserver.kinds.definitions import DEFINITION, kind_of, shipped_definitions
from meshsim.apiserver.storage.store import Store
from meshsim.apiserver.writing.deletion import DeleteOptions, Deleter

_CLEANUP = DeleteOptions(grace_s=0)


class Definitions:
    """Keeps the kinds that a store serves to its definitions; the kinds it was made with are served in any case."""

    def __init__(self, store: Store, deleter: Deleter) -> None:
        self._store = store
        self._deleter = deleter
        self._fixed = tuple(kind for kind in store.kinds if not isinstance(kind, CustomKind))
        self._names = frozenset(kind.resource for kind in self._fixed)

    def ship(self, now: float) -> None:
        """Store the definitions of the kinds that are served in any case."""
        for definition in shipped_definitions(self._fixed, now):
            if self._store.get(DEFINITION, key_of(definition)) is None:
                self._store.put(DEFINITION, definition)

    def serve(self, definition: Object) -> None:
        """Serve the kind of a stored definition; of a kind that is served in any case nothing changes."""
        if not self._is_fixed(definition):
            self._store.serve(kind_of(definition))

    def check_removal(self, definition: Object) -> None:
        """Raises ApiError for the definition of a kind that is served in any case."""
        if self._is_fixed(definition):
            name = definition["metadata"]["name"]
            raise refusals.forbidden(DEFINITION, name, "meshsim serves this kind whether it is defined or not")

    def drop(self, definition: Object, now: float) -> None:
        """Delete the objects of a definition that is gone, finalizers or not, and serve their kind no more."""
        kind = kind_of(definition)
        for obj in self._store.objects(kind):
            self._deleter.delete(kind, obj, _CLEANUP, now)
        for obj in self._store.objects(kind):
            self._store.remove(kind, key_of(obj))
        self._store.stop_serving(kind)

    def _is_fixed(self, definition: Object) -> bool:
        return definition["metadata"]["name"] in self._names
