"""Everything that reconciles in this process, and what it reports."""

from collections.abc import Iterator

from controller.analysis.providers.registry import Providers
from controller.analysis.reconciler import setup as setup_analyses
from controller.counted import CountedApi
from controller.deployment.reconciler import setup as setup_deployments
from controller.events import EventRecorder
from controller.experiment.reconciler import setup as setup_experiments
from controller.job.reconciler import setup as setup_jobs
from controller.manager import Manager
from controller.metrics import CountingRecorder, MeasuredReconciler, Reconciles, controller_info, rollout_samples
from controller.replicaset.reconciler import setup as setup_replica_sets
from controller.rollout.cache import Cache
from controller.rollout.reconciler import RolloutReconciler, comings_and_goings, rollout_watches
from controller.rollout.release import Releaser
from controller.rollout.rules import Rules
from meshsim.api.kinds import DESTINATION_RULE, ROLLOUT, SERVICE
from meshsim.kit.clock import Clock
from meshsim.kit.tasks import OnFailure
from meshsim.telemetry.exposition import Sample


class Controllers:
    """Everything that reconciles, and what it reports."""

    def __init__(
        self,
        api: CountedApi,
        clock: Clock,
        recorder: EventRecorder,
        rules: Rules,
        providers: Providers,
        on_failure: OnFailure | None = None,
    ) -> None:
        self.manager = Manager(api, clock, on_failure)
        self._api = api
        cache = Cache(self.manager.informer)
        self._rollouts = cache.informers[ROLLOUT]
        self._recorder = CountingRecorder(recorder, self._rollouts)
        self._rollouts.on_change(comings_and_goings(self._recorder))
        self._reconciles = Reconciles(self._rollouts)
        reconciler = RolloutReconciler(api, cache, clock, self._recorder, rules)
        measured = MeasuredReconciler(reconciler, clock, self._reconciles)
        self.manager.add("rollout", measured, rollout_watches(cache))
        for kind in (SERVICE, DESTINATION_RULE):
            releaser = Releaser(api, cache, kind)
            self.manager.add(f"release of {kind.plural}", releaser, releaser.watches())
        setup_replica_sets(self.manager, api, clock)
        setup_deployments(self.manager, api, clock)
        setup_jobs(self.manager, api, clock)
        setup_analyses(self.manager, providers, self._recorder)
        setup_experiments(self.manager, api, clock, self._recorder)

    def samples(self) -> Iterator[Sample]:
        """All series of `/metrics`."""
        yield from controller_info()
        yield from rollout_samples(self._rollouts)
        yield from self._reconciles.samples()
        yield from self._recorder.samples()
        yield from self._api.samples()
