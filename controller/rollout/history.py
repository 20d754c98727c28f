"""Old versions beyond `revisionHistoryLimit` are taken away, with what belongs to them."""

from typing import Final

from controller.rollout.actions import Delete
from controller.rollout.draft import Draft
from controller.rollout.versions import Version, oldest_first
from meshsim.api.kinds import ANALYSIS_RUN, EXPERIMENT
from meshsim.api.rollouts import HASH_LABEL

_DEFAULT_LIMIT: Final = 10


def reconcile_history(draft: Draft) -> None:
    """Delete the oldest of the other versions, as many as there are too many; those with pods are left alone."""
    given = draft.rollout.spec.revision_history_limit
    limit = _DEFAULT_LIMIT if given is None else given
    others = oldest_first(version for version in draft.others if not version.is_terminating)
    for version in others[: max(0, len(others) - limit)]:
        if version.current == 0 and version.replicas == 0 and _is_observed(version):
            draft.delete_version(version)
            _delete_runs(draft, version)


def _is_observed(version: Version) -> bool:
    generation = version.obj["metadata"].get("generation") or 0
    observed = (version.obj.get("status") or {}).get("observedGeneration") or 0
    return bool(generation <= observed)


def _delete_runs(draft: Draft, version: Version) -> None:
    for kind, runs in ((ANALYSIS_RUN, draft.other_runs), (EXPERIMENT, draft.other_experiments)):
        for run in runs:
            if run.metadata.labels.get(HASH_LABEL) == version.hash and not run.metadata.deletion_timestamp:
                draft.actions.append(Delete(kind, draft.key(run.metadata.name), run.metadata.uid))
