"""How `list rollouts` and `list experiments` print what they list, as the plugin does. Pure."""

from collections.abc import Iterable, Sequence
from typing import Final

from meshsim.api.analysis import COMPLETED_PHASES, Experiment
from meshsim.api.progress import current_set_weight, observed_phase
from meshsim.api.rollouts import Rollout
from meshsim.cli.argo.paint import columns
from meshsim.cli.argo.views import step_of
from meshsim.kit.durations import DurationError, human_duration, parse_go_duration
from meshsim.kit.timestamps import from_rfc3339, to_rfc3339

_ROLLOUT_COLUMNS: Final = (
    ("NAME", 10),
    ("STRATEGY", 9),
    ("STATUS", 12),
    ("STEP", 4),
    ("SET-WEIGHT", 10),
    ("READY", 5),
    ("DESIRED", 7),
    ("UP-TO-DATE", 10),
    ("AVAILABLE", 9),
)
_EXPERIMENT_COLUMNS: Final = (("NAME", 10), ("STATUS", 6), ("DURATION", 8), ("REMAINING", 9), ("AGE", 3))
_NAMESPACE: Final = ("NAMESPACE", 9)
_TIMESTAMP: Final = ("TIMESTAMP", 20)
_NOTHING: Final = "-"

Row = tuple[str, ...]


def rollout_row(rollout: Rollout) -> Row:
    """The cells of a rollout, without its namespace."""
    strategy, status = rollout.spec.strategy, rollout.status
    is_canary = strategy.canary is not None
    return (
        rollout.metadata.name,
        "Canary" if is_canary else "BlueGreen" if strategy.blue_green else "unknown",
        observed_phase(rollout).phase,
        step_of(rollout) or _NOTHING,
        str(current_set_weight(rollout)) if is_canary else _NOTHING,
        f"{status.ready_replicas}/{status.replicas}",
        str(1 if rollout.spec.replicas is None else rollout.spec.replicas),
        str(status.updated_replicas),
        str(status.available_replicas),
    )


def rollout_table(
    rollouts: Iterable[Rollout],
    *,
    all_namespaces: bool = False,
    timestamp: float | None = None,
    with_header: bool = True,
) -> str:
    """The output of `list rollouts`; `timestamp` is the instant that stands before each line."""
    shape = (*((_TIMESTAMP,) if timestamp is not None else ()), *((_NAMESPACE,) if all_namespaces else ()))
    rows = []
    for rollout in rollouts:
        stamp = () if timestamp is None else (to_rfc3339(timestamp),)
        namespace = (rollout.metadata.namespace,) if all_namespaces else ()
        rows.append((*stamp, *namespace, *rollout_row(rollout)))
    return _table((*shape, *_ROLLOUT_COLUMNS), rows, with_header=with_header)


def experiment_table(experiments: Iterable[Experiment], now: float, *, all_namespaces: bool = False) -> str:
    """The output of `list experiments`; ages and what remains are counted from `now`."""
    rows = []
    for experiment in experiments:
        namespace = (experiment.metadata.namespace,) if all_namespaces else ()
        rows.append((*namespace, *_experiment_row(experiment, now)))
    return _table((*((_NAMESPACE,) if all_namespaces else ()), *_EXPERIMENT_COLUMNS), rows)


def _experiment_row(experiment: Experiment, now: float) -> Row:
    status, duration, remaining = experiment.status, _NOTHING, _NOTHING
    try:
        duration_s = parse_go_duration(experiment.spec.duration)
    except DurationError:
        duration_s = None
    if duration_s is not None:
        duration = human_duration(duration_s)
        if status.available_at and status.phase not in COMPLETED_PHASES:
            left_s = from_rfc3339(status.available_at) + duration_s - now
            remaining = human_duration(left_s) if left_s > 0 else _NOTHING
    age = human_duration(now - from_rfc3339(experiment.metadata.creation_timestamp))
    return experiment.metadata.name, status.phase, duration, remaining, age


def _table(shape: Sequence[tuple[str, int]], rows: Sequence[Row], *, with_header: bool = True) -> str:
    # Cells are padded to a usual width first, so that lines printed one by one align with the table above.
    padded = [[f"{cell:<{width}}" for cell, (_, width) in zip(row, shape, strict=True)] for row in rows]
    header = [[name for name, _ in shape]] if with_header else []
    return columns(header + padded)
