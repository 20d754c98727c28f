"""Everything that reconciles in this process, and what it reports."""

from collections.abc import Iterator
from itertools import chain

from controller.analysis.providers.registry import Providers
from controller.analysis.reconciler import setup as setup_analyses
from controller.analysis.reported import analysis_run_samples, experiment_samples, template_samples
from controller.counted import CountedApi
from controller.deployment.reconciler import setup as setup_deployments
from controller.disruption.reconciler import setup as setup_budgets
from controller.events import EventRecorder
from controller.experiment.reconciler import setup as setup_experiments
from controller.hpa.reconciler import setup as setup_autoscalers
from controller.job.reconciler import setup as setup_jobs
from controller.manager import Manager, Reconciler
from controller.metrics import CountingRecorder, MeasuredReconciler, Reconciles, controller_info, rollout_samples
from controller.replicaset.reconciler import setup as setup_replica_sets
from controller.rollout.cache import Cache
from controller.rollout.reconciler import RolloutReconciler, comings_and_goings, rollout_watches
from controller.rollout.release import Releaser
from controller.rollout.rules import Rules
from meshsim.api.kinds import (
    ANALYSIS_RUN,
    ANALYSIS_TEMPLATE,
    CLUSTER_ANALYSIS_TEMPLATE,
    DESTINATION_RULE,
    EXPERIMENT,
    ROLLOUT,
    SERVICE,
)
from meshsim.client.api import Api
from meshsim.client.informer import Informer
from meshsim.kit.clock import Clock
from meshsim.telemetry.exposition import Sample


def add_cluster_controllers(manager: Manager, api: Api, clock: Clock, recorder: EventRecorder) -> None:
    """Reconcile what a cluster does by itself, whoever runs its Rollouts."""
    setup_replica_sets(manager, api, clock, recorder)
    setup_deployments(manager, api, clock, recorder)
    setup_jobs(manager, api, clock, recorder)
    setup_budgets(manager, api, clock)
    setup_autoscalers(manager, api, clock, recorder)


class RolloutControllers:
    """What Argo's controller reconciles, and what it reports."""

    def __init__(
        self,
        manager: Manager,
        api: CountedApi,
        clock: Clock,
        recorder: EventRecorder,
        rules: Rules,
        providers: Providers,
    ) -> None:
        self.manager = manager
        self._api = api
        cache = Cache(self.manager.informer)
        self._rollouts = cache.informers[ROLLOUT]
        self._recorder = CountingRecorder(recorder, self._rollouts)
        self._rollouts.on_change(comings_and_goings(self._recorder))
        self._clock = clock
        self._reconciles: list[Reconciles] = []
        self._informers = cache.informers
        reconciler = RolloutReconciler(api, cache, clock, self._recorder, rules)
        self.manager.add("rollout", self._measured(reconciler, self._rollouts), rollout_watches(cache))
        for kind in (SERVICE, DESTINATION_RULE):
            releaser = Releaser(api, cache, kind)
            self.manager.add(f"release of {kind.plural}", releaser, releaser.watches())
        setup_analyses(self.manager, providers, self._recorder, self._measured)
        setup_experiments(self.manager, api, clock, self._recorder, self._measured)

    def _measured(self, reconciler: Reconciler, objects: Informer) -> Reconciler:
        reconciles = Reconciles(objects)
        self._reconciles.append(reconciles)
        return MeasuredReconciler(reconciler, self._clock, reconciles)

    def samples(self) -> Iterator[Sample]:
        """All series of `/metrics`."""
        yield from controller_info()
        yield from rollout_samples(self._rollouts)
        yield from analysis_run_samples(self._informers[ANALYSIS_RUN].all())
        templates = (self._informers[kind].all() for kind in (ANALYSIS_TEMPLATE, CLUSTER_ANALYSIS_TEMPLATE))
        yield from template_samples(chain.from_iterable(templates))
        yield from experiment_samples(self._informers[EXPERIMENT].all())
        for reconciles in self._reconciles:
            yield from reconciles.samples()
        yield from self._recorder.samples()
        yield from self._api.samples()
