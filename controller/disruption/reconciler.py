"""Keeps the status of each PodDisruptionBudget: reads the caches, lets `status_of` decide, writes."""

from collections.abc import Iterator

from controller.disruption.plan import scale_of, status_of
from controller.manager import Manager, own_key
from meshsim.api.core import Pod, ReplicaSet
from meshsim.api.decode import FieldError, Object, W, decode, encode
from meshsim.api.kinds import DEPLOYMENT, POD, POD_DISRUPTION_BUDGET, REPLICA_SET
from meshsim.api.meta import Key, LabelSelector
from meshsim.api.policy import PodDisruptionBudget
from meshsim.api.workloads import Deployment
from meshsim.client.api import Api
from meshsim.client.informer import Change, Informer
from meshsim.kit.clock import Clock


def setup(manager: Manager, api: Api, clock: Clock) -> None:
    """Have the manager run the disruption controller."""
    budgets, pods = manager.informer(POD_DISRUPTION_BUDGET), manager.informer(POD)
    replica_sets, deployments = manager.informer(REPLICA_SET), manager.informer(DEPLOYMENT)
    reconciler = BudgetReconciler(api, clock, budgets, pods, replica_sets, deployments)
    watches = {budgets: own_key, pods: reconciler.keys_of_pod}
    watches |= dict.fromkeys((replica_sets, deployments), reconciler.keys_of_keeper)
    manager.add("disruption", reconciler, watches)


class BudgetReconciler:
    """Counts what a budget covers. Evictions count for themselves: they would come before a status that lags."""

    def __init__(
        self, api: Api, clock: Clock, budgets: Informer, pods: Informer, replica_sets: Informer, deployments: Informer
    ) -> None:
        self._api = api
        self._clock = clock
        self._budgets = budgets
        self._pods = pods
        self._replica_sets = replica_sets
        self._deployments = deployments

    async def reconcile(self, key: Key) -> float | None:
        obj = self._budgets.get(key)
        if obj is None or obj["metadata"].get("deletionTimestamp"):
            return None
        try:
            budget = decode(PodDisruptionBudget, obj)
        except FieldError:
            # An older one with a status that is none of ours; it is written over.
            budget = decode(PodDisruptionBudget, {**obj, "status": None})
        pods = list(self._covered(budget))
        scale = scale_of(
            pods,
            {each.metadata.uid: each for each in _there(self._replica_sets, ReplicaSet, key.namespace)},
            {each.metadata.uid: each for each in _there(self._deployments, Deployment, key.namespace)},
        )
        status = status_of(budget, pods, scale, self._clock.now())
        if status != budget.status:
            written = {**obj, "status": {**(obj.get("status") or {}), **encode(status)}}
            self._budgets.learn(await self._api.replace(POD_DISRUPTION_BUDGET, written, subresource="status"))
        return None

    def keys_of_pod(self, change: Change) -> set[Key]:
        """The budgets that cover a changed pod, as it was or as it is."""
        return {
            key
            for key, selector in self._selectors(change.key.namespace)
            for pod in (change.old, change.new)
            if pod is not None and selector.matches(pod["metadata"].get("labels") or {})
        }

    def keys_of_keeper(self, change: Change) -> set[Key]:
        """The budgets of its namespace, when it wants another number of pods now."""
        wanted = [None if obj is None else obj["spec"].get("replicas") for obj in (change.old, change.new)]
        return set() if wanted[0] == wanted[1] else {key for key, _ in self._selectors(change.key.namespace)}

    def _selectors(self, namespace: str) -> Iterator[tuple[Key, LabelSelector]]:
        for obj in self._budgets.all():
            metadata, selector = obj["metadata"], (obj.get("spec") or {}).get("selector")
            if metadata["namespace"] == namespace and selector is not None:
                yield Key(namespace, metadata["name"]), decode(LabelSelector, selector)

    def _covered(self, budget: PodDisruptionBudget) -> Iterator[Pod]:
        selector = budget.spec.selector
        for obj in self._pods.all():
            metadata = obj["metadata"]
            if selector is None or metadata["namespace"] != budget.metadata.namespace:
                continue
            if selector.matches(metadata.get("labels") or {}):
                yield decode(Pod, obj)


def _there(informer: Informer, kind: type[W], namespace: str) -> Iterator[W]:
    return (decode(kind, obj) for obj in informer.all() if _is_in(obj, namespace))


def _is_in(obj: Object, namespace: str) -> bool:
    return bool(obj["metadata"].get("namespace") == namespace)
