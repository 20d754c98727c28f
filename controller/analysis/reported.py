"""What the controller reports about analyses and experiments on `/metrics`, under Argo's names."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, TypeVar

from controller.analysis.metrics import InvalidMetricsError, dry_run_names
from controller.series import family
from meshsim.api.analysis import AnalysisRun, AnalysisTemplate, Experiment, Metric
from meshsim.api.decode import FieldError, Object, decode
from meshsim.telemetry.exposition import Sample, sample

W = TypeVar("W")
Labels = Sequence[tuple[str, str]]

_PHASES: Final = ("Pending", "Error", "Failed", "Successful", "Running", "Inconclusive")
_TYPES: Final = {"prometheus": "Prometheus", "job": "Job", "web": "Web", "datadog": "Datadog"}


def analysis_run_samples(runs: Iterable[Object]) -> Iterator[Sample]:
    """The series about every analysis run and its metrics."""
    known = list(_decoded(AnalysisRun, runs))
    yield family("analysis_run_info", "gauge")
    for run in known:
        yield sample("analysis_run_info", [*_names(run.metadata.key), ("phase", run.status.phase)], 1)
    yield family("analysis_run_phase", "gauge")
    for run in known:
        yield from _phases("analysis_run_phase", _names(run.metadata.key), run.status.phase)
    yield family("analysis_run_metric_type", "gauge")
    for run in known:
        for metric in run.spec.metrics:
            labels = [*_names(run.metadata.key), ("metric", metric.name), ("type", _type(metric))]
            yield sample("analysis_run_metric_type", labels, 1)
    yield family("analysis_run_metric_phase", "gauge")
    for run in known:
        yield from _metric_phases(run)


def template_samples(templates: Iterable[Object]) -> Iterator[Sample]:
    """The series about every analysis template, those of the whole cluster too."""
    known = list(_decoded(AnalysisTemplate, templates))
    yield family("analysis_template_info", "gauge")
    for template in known:
        yield sample("analysis_template_info", _names(template.metadata.key), 1)
    yield family("analysis_template_metric_info", "gauge")
    for template in known:
        for metric in template.spec.metrics:
            labels = [*_names(template.metadata.key), ("type", _type(metric)), ("metric", metric.name)]
            yield sample("analysis_template_metric_info", labels, 1)


def experiment_samples(experiments: Iterable[Object]) -> Iterator[Sample]:
    """The series about every experiment."""
    known = list(_decoded(Experiment, experiments))
    yield family("experiment_info", "gauge")
    for experiment in known:
        labels = [*_names(experiment.metadata.key), ("phase", experiment.status.phase)]
        yield sample("experiment_info", labels, 1)
    yield family("experiment_phase", "gauge")
    for experiment in known:
        yield from _phases("experiment_phase", _names(experiment.metadata.key), experiment.status.phase)


def _metric_phases(run: AnalysisRun) -> Iterator[Sample]:
    try:
        dry_run = dry_run_names(run.spec.dry_run, [metric.name for metric in run.spec.metrics])
    except InvalidMetricsError:
        dry_run = frozenset()
    for metric in run.spec.metrics:
        result = run.status.result(metric.name)
        labels = [
            *_names(run.metadata.key),
            ("metric", metric.name),
            ("type", _type(metric)),
            ("dry_run", str(metric.name in dry_run).lower()),
        ]
        yield from _phases("analysis_run_metric_phase", labels, result.phase if result else "")


def _phases(name: str, labels: Labels, current: str) -> Iterator[Sample]:
    for phase in _PHASES:
        yield sample(name, [*labels, ("phase", phase)], int(phase == (current or "Pending")))


def _type(metric: Metric) -> str:
    return next((_TYPES.get(name, "Unknown Provider") for name in metric.provider), "Unknown Provider")


def _names(key: tuple[str, str]) -> list[tuple[str, str]]:
    namespace, name = key
    return [("namespace", namespace), ("name", name)]


def _decoded(kind: type[W], objects: Iterable[Object]) -> Iterator[W]:
    for obj in objects:
        try:
            yield decode(kind, obj)
        except FieldError:
            continue
