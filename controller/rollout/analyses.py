"""Analysis runs of a rollout: which are started, which are stopped, and what their outcome means."""

from dataclasses import dataclass
from typing import Final, TypeVar

from controller.instance import instance_labels
from controller.rollout.actions import Create, Delete, Patch
from controller.rollout.analysis_spec import run_spec
from controller.rollout.draft import (
    BLUE_GREEN_PAUSE,
    CANARY_PAUSE_STEP,
    INCONCLUSIVE_ANALYSIS,
    CurrentRuns,
    Draft,
    StoppedError,
    names_of,
)
from controller.rollout.new_version import owner_reference
from controller.rollout.rollback import is_fast_rollback
from controller.rollout.steps import before_starting_step
from controller.rollout.versions import is_saturated
from meshsim.api.analysis import COMPLETED_PHASES, AnalysisRun, AnalysisRunSpec, Experiment
from meshsim.api.decode import Object, decode, encode
from meshsim.api.kinds import ANALYSIS_RUN
from meshsim.api.progress import current_index, current_step
from meshsim.api.rollouts import HASH_LABEL, REVISION_ANNOTATION, RunStatus
from meshsim.api.steps import RolloutAnalysis
from meshsim.api.templates import UnresolvedError

Run = TypeVar("Run", AnalysisRun, Experiment)

_TYPE_LABEL: Final = "rollout-type"
_STEP_INDEX_LABEL: Final = "step-index"
_DEFAULT_HISTORY: Final = 5


@dataclass(frozen=True, slots=True)
class _Role:
    """What an analysis run is for."""

    label: str
    infix: str
    failure: str


_BACKGROUND: Final = _Role("Background", "", "Background analysis phase error/failed")
_PRE: Final = _Role("PrePromotion", "pre", "Blue/green pre-promotion analysis phase error/failed")
_POST: Final = _Role("PostPromotion", "post", "Blue/green post-promotion analysis phase error/failed")


def find_runs(draft: Draft) -> None:
    """Tell the runs that the status names from the others."""
    canary, blue_green = draft.rollout.status.canary, draft.rollout.status.blue_green
    runs = {run.metadata.name: run for run in draft.observed.analysis_runs}

    def named(status: RunStatus | None) -> AnalysisRun | None:
        return runs.get(status.name) if status else None

    draft.runs = CurrentRuns(
        step=named(canary.current_step_analysis_run_status),
        background=named(canary.current_background_analysis_run_status),
        pre_promotion=named(blue_green.pre_promotion_analysis_run_status),
        post_promotion=named(blue_green.post_promotion_analysis_run_status),
    )
    current = names_of(draft.runs.all())
    draft.other_runs = [run for run in draft.observed.analysis_runs if run.metadata.name not in current]


def reconcile_analyses(draft: Draft) -> None:
    """Start, keep or stop the runs of this moment, take their outcome, and clear away old ones."""
    status = draft.rollout.status
    is_over = draft.is_fully_promoted or draft.is_aborted or status.promote_full
    if is_over or is_fast_rollback(draft) or not status.stable_rs:
        for run in draft.runs.all():
            _terminate(draft, run)
        runs = CurrentRuns(pre_promotion=draft.runs.pre_promotion, post_promotion=draft.runs.post_promotion)
    elif draft.rollout.spec.strategy.canary is not None:
        step = _reconcile_step(draft)
        runs = CurrentRuns(step=step, background=_reconcile_background(draft))
    else:
        pre = _reconcile_pre_promotion(draft)
        _take_outcome(draft, pre, _PRE)
        post = _reconcile_post_promotion(draft)
        _take_outcome(draft, post, _POST)
        runs = CurrentRuns(pre_promotion=pre, post_promotion=post)
    draft.runs = runs
    _note(draft, runs)
    others = [run for run in draft.other_runs if run.metadata.name not in names_of(runs.all())]
    for run in others:
        _terminate(draft, run)
    for run in runs_to_delete(draft, others):
        draft.actions.append(Delete(ANALYSIS_RUN, draft.key(run.metadata.name), run.metadata.uid))
    _announce(draft, runs)


def _reconcile_step(draft: Draft) -> AnalysisRun | None:
    step, index, run = current_step(draft.rollout), current_index(draft.rollout), draft.runs.step
    if draft.rollout.status.pause_conditions or draft.rollout.status.abort:
        return run
    analysis = step.analysis if step else None
    is_of_another_step = run is not None and run.metadata.labels.get(_STEP_INDEX_LABEL) != str(index)
    if analysis is None or not analysis.templates or is_of_another_step:
        _terminate(draft, run)
        return None
    role = _Role("Step", str(index), "Step-based analysis phase error/failed")
    if _needs_new_run(draft, run):
        return _start(draft, analysis, role, {_STEP_INDEX_LABEL: str(index)})
    _take_outcome(draft, run, role)
    return run


def _reconcile_background(draft: Draft) -> AnalysisRun | None:
    canary, run = draft.rollout.spec.strategy.canary, draft.runs.background
    analysis = canary.analysis if canary else None
    if analysis is None or not analysis.templates:
        _terminate(draft, run)
        return None
    status = draft.rollout.status
    if draft.is_fully_promoted or not status.stable_rs or not status.current_pod_hash:
        return None
    if before_starting_step(draft.rollout):
        return None
    if draft.pause(INCONCLUSIVE_ANALYSIS) is not None:
        return run
    if _needs_new_run(draft, run):
        return _start(draft, analysis, _BACKGROUND)
    _take_outcome(draft, run, _BACKGROUND)
    return run


def _reconcile_pre_promotion(draft: Draft) -> AnalysisRun | None:
    blue_green, run = draft.rollout.spec.strategy.blue_green, draft.runs.pre_promotion
    analysis = blue_green.pre_promotion_analysis if blue_green else None
    return _reconcile_promotion(draft, run, analysis, _PRE, skips=_skips_pre_promotion(draft, run))


def _reconcile_post_promotion(draft: Draft) -> AnalysisRun | None:
    blue_green, run = draft.rollout.spec.strategy.blue_green, draft.runs.post_promotion
    analysis = blue_green.post_promotion_analysis if blue_green else None
    return _reconcile_promotion(draft, run, analysis, _POST, skips=_skips_post_promotion(draft, run))


def _reconcile_promotion(
    draft: Draft, run: AnalysisRun | None, analysis: RolloutAnalysis | None, role: _Role, *, skips: bool
) -> AnalysisRun | None:
    if analysis is None or not analysis.templates:
        _terminate(draft, run)
        return None
    if skips:
        _terminate(draft, run)
        return run
    if draft.pause(INCONCLUSIVE_ANALYSIS) is None and _needs_new_run(draft, run):
        return _start(draft, analysis, role)
    return run


def _skips_pre_promotion(draft: Draft, run: AnalysisRun | None) -> bool:
    new, status, blue_green = draft.new, draft.rollout.status, draft.rollout.spec.strategy.blue_green
    active = status.blue_green.active_selector
    if new is None or not active or new.hash in (status.stable_rs, active, ""):
        return True
    if run is not None:
        # A pod that comes and goes doesn't end a run that has begun.
        return False
    count = blue_green.preview_replica_count if blue_green else None
    if count is not None:
        return not new.replicas == new.available == count
    return not is_saturated(new, draft.replicas)


def _skips_post_promotion(draft: Draft, run: AnalysisRun | None) -> bool:
    new, status = draft.new, draft.rollout.status
    if new is None or not new.hash or new.hash == status.stable_rs or status.blue_green.active_selector != new.hash:
        return True
    return run is None and not is_saturated(new, draft.replicas)


def holds_old_versions(draft: Draft) -> bool:
    """Old versions of a blueGreen rollout stay as they are until an analysis has spoken."""
    blue_green, run = draft.rollout.spec.strategy.blue_green, draft.runs.post_promotion
    if draft.pause(INCONCLUSIVE_ANALYSIS) is not None:
        return True
    if blue_green is None or blue_green.post_promotion_analysis is None:
        return False
    if blue_green.scale_down_delay_seconds is not None or _skips_post_promotion(draft, run):
        return False
    return run is None or run.status.phase != "Successful"


def is_pre_promotion_done(draft: Draft) -> bool:
    """The analysis before the switch succeeded, or there is none."""
    blue_green, run = draft.rollout.spec.strategy.blue_green, draft.runs.pre_promotion
    if blue_green is None or blue_green.pre_promotion_analysis is None:
        return True
    return run is not None and run.status.phase == "Successful"


def _needs_new_run(draft: Draft, run: AnalysisRun | None) -> bool:
    """None yet, or somebody resumed after an inconclusive one, or the update is tried again after an abort."""
    if run is None:
        return True
    no_step_pause = draft.pause(CANARY_PAUSE_STEP) is None and draft.pause(BLUE_GREEN_PAUSE) is None
    if draft.rollout.status.controller_pause and no_step_pause:
        return run.status.phase == "Inconclusive"
    return bool(draft.rollout.status.aborted_at)


def _take_outcome(draft: Draft, run: AnalysisRun | None, role: _Role) -> None:
    if run is None:
        return
    if run.status.phase == "Inconclusive":
        draft.pauses.added.append(INCONCLUSIVE_ANALYSIS)
    elif run.status.phase in ("Error", "Failed"):
        draft.pauses.abort(f"{role.failure}: {run.status.message}" if run.status.message else role.failure)


def _start(draft: Draft, analysis: RolloutAnalysis, role: _Role, labels: dict[str, str] | None = None) -> AnalysisRun:
    new = draft.new
    if new is None or not new.hash:
        raise StoppedError("Latest ReplicaSet has no pod hash in the labels")
    revision = draft.annotations.get(REVISION_ANNOTATION, "")
    name = "-".join(part for part in (draft.rollout.metadata.name, new.hash, revision, role.infix) if part)
    try:
        spec = run_spec(draft.observed, analysis, new, draft.stable)
    except UnresolvedError as error:
        raise StoppedError(str(error)) from None
    existing = _unfinished_twin(draft, name, spec)
    if existing is not None:
        return existing
    selector = draft.rollout.spec.selector
    metadata = analysis.analysis_run_metadata
    own_labels = {
        HASH_LABEL: new.hash,
        _TYPE_LABEL: role.label,
        **instance_labels(draft.rollout.metadata.labels),
        **(labels or {}),
        **metadata.labels,
    }
    obj: Object = {
        "apiVersion": ANALYSIS_RUN.api_version,
        "kind": ANALYSIS_RUN.kind,
        "metadata": {
            "name": _free_name(draft, name),
            "namespace": draft.rollout.metadata.namespace,
            "labels": own_labels | (selector.match_labels if selector else {}),
            "annotations": {REVISION_ANNOTATION: revision, **metadata.annotations},
            "ownerReferences": [owner_reference(draft.observed)],
        },
        "spec": encode(spec),
    }
    draft.actions.append(Create(ANALYSIS_RUN, obj))
    return decode(AnalysisRun, obj)


def _unfinished_twin(draft: Draft, name: str, spec: AnalysisRunSpec) -> AnalysisRun | None:
    """A run that an earlier reconcile started before it could note it."""
    names = (name, *(f"{name}.{count}" for count in range(1, len(draft.observed.analysis_runs) + 1)))
    for run in draft.observed.analysis_runs:
        if run.metadata.name in names and run.status.phase not in COMPLETED_PHASES and run.spec == spec:
            return run
    return None


def _free_name(draft: Draft, name: str) -> str:
    taken = names_of(draft.observed.analysis_runs) | draft.observed.taken_names
    count, free = 0, name
    while free in taken:
        count += 1
        free = f"{name}.{count}"
    return free


def _terminate(draft: Draft, run: AnalysisRun | None) -> None:
    if run is not None and not run.spec.terminate and run.status.phase not in COMPLETED_PHASES:
        draft.actions.append(Patch(ANALYSIS_RUN, draft.key(run.metadata.name), {"spec": {"terminate": True}}))


def runs_to_delete(draft: Draft, others: list[Run]) -> list[Run]:
    """Ended ones beyond the history limits, and those whose version is gone."""
    limits = draft.rollout.spec.analysis
    room = {
        True: _limit(limits.successful_run_history_limit),
        False: _limit(limits.unsuccessful_run_history_limit),
    }
    hashes = {version.hash for version in draft.versions if not version.is_terminating}
    doomed: list[Run] = []
    for run in sorted(others, key=lambda run: run.metadata.creation_timestamp, reverse=True):
        if run.metadata.labels.get(HASH_LABEL, "") not in hashes:
            doomed.append(run)
        elif run.status.phase in COMPLETED_PHASES:
            succeeded = run.status.phase == "Successful"
            room[succeeded] -= 1
            if room[succeeded] < 0:
                doomed.append(run)
    return [run for run in doomed if not run.metadata.deletion_timestamp]


def _limit(given: int | None) -> int:
    return _DEFAULT_HISTORY if given is None else given


def _note(draft: Draft, runs: CurrentRuns) -> None:
    if draft.rollout.spec.strategy.canary is not None:
        draft.set_canary_status(
            current_step_analysis_run_status=_status_of(runs.step),
            current_background_analysis_run_status=_status_of(runs.background),
        )
    else:
        draft.set_blue_green_status(
            pre_promotion_analysis_run_status=_status_of(runs.pre_promotion),
            post_promotion_analysis_run_status=_status_of(runs.post_promotion),
        )


def _status_of(run: AnalysisRun | None) -> RunStatus | None:
    if run is None:
        return None
    return RunStatus(name=run.metadata.name, status=run.status.phase, message=run.status.message)


def _announce(draft: Draft, runs: CurrentRuns) -> None:
    canary, blue_green = draft.rollout.status.canary, draft.rollout.status.blue_green
    for label, before, run in (
        ("PostPromotion", blue_green.post_promotion_analysis_run_status, runs.post_promotion),
        ("PrePromotion", blue_green.pre_promotion_analysis_run_status, runs.pre_promotion),
        ("Step", canary.current_step_analysis_run_status, runs.step),
        ("Background", canary.current_background_analysis_run_status, runs.background),
    ):
        if run is None or not run.status.phase:
            continue
        name, phase = run.metadata.name, run.status.phase
        if before is not None and (before.name != name or before.status == phase):
            continue
        tell = draft.warn if phase in ("Failed", "Error") else draft.emit
        was = before.status if before else "NoPreviousStatus"
        tell(f"AnalysisRun{phase}", f"{label} Analysis Run '{name}' Status New: '{phase}' Previous: '{was}'")
