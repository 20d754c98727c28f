"""What `/metrics` says about analyses and experiments."""

from collections.abc import Iterable

from controller.analysis.reported import analysis_run_samples, experiment_samples, template_samples
from meshsim.api.decode import Object
from meshsim.telemetry.exposition import Sample

RUN: Object = {
    "metadata": {"namespace": "default", "name": "run"},
    "spec": {
        "metrics": [
            {"name": "rate", "provider": {"prometheus": {"query": "up"}}},
            {"name": "smoke", "provider": {"job": {}}},
        ],
        "dryRun": [{"metricName": "smoke"}],
    },
    "status": {"phase": "Failed", "metricResults": [{"name": "rate", "phase": "Failed"}]},
}


def lines(samples: Iterable[Sample]) -> list[str]:
    return [sample.line for sample in samples]


def test_a_run_is_reported_with_its_metrics_and_their_phases() -> None:
    said = lines(analysis_run_samples([RUN]))

    names = 'namespace="default",name="run"'
    assert f'analysis_run_info{{{names},phase="Failed"}} 1' in said
    assert f'analysis_run_phase{{{names},phase="Failed"}} 1' in said
    assert f'analysis_run_phase{{{names},phase="Successful"}} 0' in said
    assert f'analysis_run_metric_type{{{names},metric="smoke",type="Job"}} 1' in said
    rate = f'{names},metric="rate",type="Prometheus",dry_run="false"'
    smoke = f'{names},metric="smoke",type="Job",dry_run="true"'
    assert f'analysis_run_metric_phase{{{rate},phase="Failed"}} 1' in said
    assert f'analysis_run_metric_phase{{{smoke},phase="Pending"}} 1' in said


def test_a_run_that_can_not_be_read_is_left_out() -> None:
    assert not [line for line in lines(analysis_run_samples([{"metadata": 7}])) if not line.startswith("#")]


def test_templates_and_experiments_are_reported() -> None:
    spec = {"metrics": [{"name": "rate", "provider": {"web": {}}}, {"name": "other", "provider": {"wavefront": {}}}]}
    templates = lines(template_samples([{"metadata": {"name": "everywhere"}, "spec": spec}]))
    experiments = lines(experiment_samples([{"metadata": {"namespace": "default", "name": "ab"}}]))

    assert 'analysis_template_info{namespace="",name="everywhere"} 1' in templates
    labels = 'namespace="",name="everywhere",type="Web",metric="rate"'
    assert f"analysis_template_metric_info{{{labels}}} 1" in templates
    assert 'experiment_phase{namespace="default",name="ab",phase="Pending"} 1' in experiments
