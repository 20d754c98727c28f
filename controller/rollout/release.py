"""Services and DestinationRules that no rollout names any more are given back as they were."""

from collections.abc import Iterable

from controller.manager import ToKeys, own_key
from controller.rollout.cache import Cache
from controller.rollout.destination_rules import released
from controller.rollout.references import references_of
from meshsim.api.decode import Object
from meshsim.api.kinds import ROLLOUT, SERVICE, Kind
from meshsim.api.merge_patch import patch_between
from meshsim.api.meta import Key
from meshsim.api.rollouts import HASH_LABEL, MANAGED_BY_ANNOTATION
from meshsim.client.api import Api, NotFoundError
from meshsim.client.informer import Change, Informer


class Releaser:
    """Takes a rollout's marks off the objects of one kind, once no rollout names them."""

    def __init__(self, api: Api, cache: Cache, kind: Kind) -> None:
        self._api = api
        self._cache = cache
        self._kind = kind

    async def reconcile(self, key: Key) -> float | None:
        obj = self._cache.get(self._kind, key)
        if obj is None or self._cache.referrers(self._kind, key) or not _is_managed(obj):
            return None
        patch = _service_patch() if self._kind == SERVICE else patch_between(obj, released(obj))
        # Not when somebody, a new rollout say, wrote it meanwhile.
        patch["metadata"]["resourceVersion"] = obj["metadata"]["resourceVersion"]
        try:
            self._cache.learn(self._kind, await self._api.patch(self._kind, key, patch))
        except NotFoundError:
            return None
        return None

    def watches(self) -> dict[Informer, ToKeys]:
        """The objects themselves, and what a changed rollout named before."""
        return {self._cache.informers[self._kind]: own_key, self._cache.informers[ROLLOUT]: self._formerly_named}

    def _formerly_named(self, change: Change) -> Iterable[Key]:
        if change.old is None:
            return ()
        return [key for kind, key in references_of(change.old) if kind == self._kind]


def _is_managed(obj: Object) -> bool:
    return MANAGED_BY_ANNOTATION in (obj["metadata"].get("annotations") or {})


def _service_patch() -> Object:
    return {
        "metadata": {"annotations": {MANAGED_BY_ANNOTATION: None}},
        "spec": {"selector": {HASH_LABEL: None}},
    }
