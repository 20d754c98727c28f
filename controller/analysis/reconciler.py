"""The analysis controller: takes the measurements that are due, and writes what they come to."""

import asyncio
import logging
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from controller.analysis.arguments import resolved_metric, secret_key
from controller.analysis.plan import Answer, Outcome, Sound, Trimmed, UnsoundError, check, conclude, unsound_status
from controller.analysis.providers.provider import ProviderError, failed
from controller.analysis.providers.registry import Providers, secret_data
from controller.analysis.schedule import Task, is_ttl_over, ttl_end
from controller.manager import Manager, Measure, own_key, owner_key, unmeasured
from controller.rollout.actions import Emit
from controller.rollout.apply import ReconcileError, Recorder
from meshsim.api.analysis import COMPLETED_PHASES, AnalysisRun, AnalysisRunStatus, Argument, Measurement, Metric
from meshsim.api.decode import FieldError, Object, decode, encode
from meshsim.api.kinds import ANALYSIS_RUN, JOB
from meshsim.api.meta import Key
from meshsim.api.templates import UnresolvedError
from meshsim.client.api import Api, ApiError, NotFoundError
from meshsim.client.informer import Informer
from meshsim.kit.clock import Clock
from meshsim.kit.tasks import TaskOwner
from meshsim.kit.timestamps import to_rfc3339

_log: Final = logging.getLogger(__name__)

_WORKERS: Final = 32
"""A provider may take half a minute to say nothing; other runs don't wait for it."""
_JUST_AFTER_S: Final = 0.001
"""What is due only after an instant isn't due at it."""


def setup(manager: Manager, providers: Providers, recorder: Recorder, measured: Measure = unmeasured) -> None:
    """Have the manager run the analysis controller."""
    runs, jobs = manager.informer(ANALYSIS_RUN), manager.informer(JOB)
    reconciler = AnalysisReconciler(providers.api, providers.clock, runs, providers, recorder)
    watches = {runs: own_key, jobs: owner_key(ANALYSIS_RUN)}
    manager.add("analysis", measured(reconciler, runs), watches, workers=_WORKERS)


class AnalysisReconciler:
    """Brings an analysis run one reconcile further. What counts is in its status."""

    def __init__(self, api: Api, clock: Clock, runs: Informer, providers: Providers, recorder: Recorder) -> None:
        self._api = api
        self._clock = clock
        self._runs = runs
        self._providers = providers
        self._recorder = recorder

    async def reconcile(self, key: Key) -> float | None:
        """Measure what is due and write what it comes to. Returns the instant to look again."""
        obj = self._runs.get(key)
        if obj is None or obj["metadata"].get("deletionTimestamp"):
            return None
        try:
            run = decode(AnalysisRun, obj)
        except FieldError as error:
            raise ReconcileError(f"{key}: {error}") from None
        if run.status.phase in COMPLETED_PHASES:
            return await self._expire(run)
        try:
            sound = check(run)
            outcome = await self._advance(sound)
        except UnsoundError as error:
            outcome = Outcome(unsound_status(run, str(error)))
        await self._write(obj, run, outcome)
        return None if outcome.wake_at is None else max(outcome.wake_at, self._clock.now()) + _JUST_AFTER_S

    async def _expire(self, run: AnalysisRun) -> float | None:
        end = ttl_end(run)
        if end is None or not is_ttl_over(run, self._clock.now()):
            return end
        try:
            await self._api.delete(ANALYSIS_RUN, run.metadata.key, uid=run.metadata.uid)
        except NotFoundError:
            return None
        return None

    async def _advance(self, sound: Sound) -> Outcome:
        tasks = sound.tasks(self._clock.now())
        args, secrets = await self._with_secrets(sound.run)
        metrics = {checked.name: metric for checked, metric in zip(sound.metrics, sound.run.spec.metrics, strict=True)}
        try:
            due = [(task, resolved_metric(metrics[task.metric], args)) for task in tasks]
        except UnresolvedError as error:
            raise UnsoundError(f"Unable to resolve metric arguments: {error}") from None
        answers = await self._measure_all(sound, due)
        outcome = conclude(sound, answers, self._clock.now(), secrets)
        await self._forget(sound.run, outcome.trimmed)
        return outcome

    async def _with_secrets(self, run: AnalysisRun) -> tuple[list[Argument], list[str]]:
        """The arguments with what Secrets hold, and that alone. Raises UnsoundError."""
        args: list[Argument] = []
        secrets: list[str] = []
        for arg in run.spec.args:
            reference = secret_key(arg)
            if reference is None:
                args.append(arg)
                continue
            name, key = reference
            try:
                data = await secret_data(self._api, Key(run.metadata.namespace, name))
            except ProviderError as error:
                raise UnsoundError(f"Unable to resolve metric arguments: {error}") from None
            if key not in data:
                reason = f"key '{key}' does not exist in secret '{name}'"
                raise UnsoundError(f"Unable to resolve metric arguments: {reason}")
            secrets.append(data[key])
            args.append(msgspec.structs.replace(arg, value=data[key]))
        return args, secrets

    async def _measure_all(self, sound: Sound, due: Sequence[tuple[Task, Metric]]) -> list[Answer]:
        async with TaskOwner() as tasks:
            measuring = [
                tasks.start(self._measure(sound, task, metric), f"measurement of {metric.name}") for task, metric in due
            ]
            return list(await asyncio.gather(*measuring))

    async def _measure(self, sound: Sound, task: Task, metric: Metric) -> Answer:
        run, in_flight = sound.run, task.in_flight
        try:
            provider = await self._providers.of(metric, run.metadata.namespace)
        except ProviderError as error:
            begun = in_flight or Measurement(started_at=to_rfc3339(self._clock.now()))
            return Answer(task, failed(begun, str(error), self._clock))
        if in_flight is None:
            measurement = await provider.run(run, metric)
        elif sound.terminating:
            measurement = await provider.terminate(run, metric, in_flight)
            if measurement.phase in ("Successful", "Inconclusive"):
                measurement = msgspec.structs.replace(measurement, message="Metric Terminated")
        else:
            measurement = await provider.resume(run, metric, in_flight)
        return Answer(task, measurement, provider.metadata(metric))

    async def _forget(self, run: AnalysisRun, trimmed: Iterable[Trimmed]) -> None:
        for dropped in trimmed:
            try:
                provider = await self._providers.of(dropped.metric, run.metadata.namespace)
                await provider.forget(dropped.metric, dropped.measurements)
            except (ProviderError, ApiError) as error:
                _log.info("analysis run %s: %s", run.metadata.key, error)

    async def _write(self, obj: Object, run: AnalysisRun, outcome: Outcome) -> None:
        if outcome.status == run.status:
            return
        # Only this controller writes the status: what others change meanwhile, `terminate` say, stands beside it.
        patch = {"metadata": {"uid": run.metadata.uid}, "status": status_of(outcome.status)}
        self._runs.learn(await self._api.patch(ANALYSIS_RUN, run.metadata.key, patch))
        for metric, phase in outcome.completed:
            self._tell(obj, f"Metric{phase}", f"Metric '{metric}' Completed. Result: {phase}", phase)
        phase = outcome.status.phase
        if phase != run.status.phase and phase in COMPLETED_PHASES:
            self._tell(obj, f"AnalysisRun{phase}", f"Analysis Completed. Result: {phase}", phase)

    def _tell(self, about: Object, reason: str, message: str, phase: str) -> None:
        kind = "Warning" if phase in ("Error", "Failed") else "Normal"
        self._recorder.record(about, Emit(reason, message, kind))


def status_of(status: AnalysisRunStatus) -> Object:
    """A run's status on the wire; its summary is there even when nothing is counted yet."""
    written: Object = encode(status)
    return {"runSummary": {}, **written}
