"""What `--analyses` and `describe` tell of a measurement."""

from typing import Any

from meshsim.api.analysis import AnalysisRun
from meshsim.api.decode import Object, decode
from meshsim.api.kinds import SECRET, SERVICE
from meshsim.cli.argo.analyses import render_analyses
from meshsim.cli.argo.paint import Paint
from meshsim.cli.describe import describe_any, describe_run, is_about
from meshsim.kit.timestamps import to_rfc3339

NOW = 1_800_000_000.0
VERDICT = "meshsim.dev/verdict"


def _run(*measurements: Object, provider: Object | None = None, metadata: Object | None = None, **spec: Any) -> Object:
    metric: Object = {"name": "rate", "successCondition": "result[0] >= {{args.least}}"}
    metric["provider"] = provider or {"prometheus": {"query": 'rate(n{v="{{args.canary}}"}[1m])'}}
    args = [{"name": "least", "value": "0.95"}, {"name": "canary", "value": "v2"}]
    result = {"name": "rate", "phase": "Failed", "measurements": list(measurements), "metadata": metadata or {}}
    return {
        "metadata": {"name": "shop-2", "namespace": "default", "uid": "u"},
        "spec": {"metrics": [metric], "args": args} | spec,
        "status": {"phase": "Failed", "message": "Metric it is", "metricResults": [result] if measurements else []},
    }


def _measurement(value: str, phase: str, ago_s: int, message: str = "", **metadata: str) -> Object:
    stamp = to_rfc3339(NOW - ago_s)
    return {"phase": phase, "value": value, "finishedAt": stamp, "message": message, "metadata": metadata}


def _text(run: Object) -> str:
    return render_analyses([decode(AnalysisRun, run)], NOW, Paint(coloured=False))


def test_a_measurement_comes_with_its_resolved_query_its_value_and_why_it_failed() -> None:
    failed = _measurement("[0.8]", "Failed", 42) | {"metadata": {VERDICT: 'successCondition "x" is false'}}
    assert _text(_run(failed, metadata={"ResolvedPrometheusQuery": "rate(n[1m])"})) == (
        "\nAnalyses:\n"
        "  α shop-2  ✖ Failed\n"
        "    Metric it is\n"
        "    rate  ✖ Failed\n"
        "      prometheus: rate(n[1m])\n"
        "      successCondition: result[0] >= 0.95\n"
        '      ✖ Failed  42s ago  [0.8]  successCondition "x" is false\n'
    )


def test_a_query_that_was_not_sent_yet_has_its_arguments_all_the_same() -> None:
    text = _text(_run())
    assert 'prometheus: rate(n{v="v2"}[1m])' in text
    assert "nothing measured yet" in text


def test_no_data_is_told_plainly_whatever_the_condition_makes_of_it() -> None:
    reason = "metric result is nil or empty: no data returned from the metric provider"
    why = f'could not evaluate successCondition "x": {reason}'
    assert f"⚠ Error  1s ago  no data  {why}\n" in _text(_run(_measurement("", "Error", 1, why)))
    blind = _measurement("[]", "Successful", 1) | {"metadata": {VERDICT: 'successCondition "x" is true'}}
    told = 'successCondition "x" is true: it holds though nothing was measured'
    assert f"✔ Successful  1s ago  [] (no data)  {told}\n" in _text(_run(blind))


def test_what_a_secret_holds_is_not_shown() -> None:
    secret = {"name": "token", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}
    text = _text(_run(provider={"web": {"url": "http://a/?t={{ args.token }}", "jsonPath": "{$.ok}"}}, args=[secret]))
    assert "web: GET http://a/?t=***** {$.ok}" in text
    assert "result[0] >= {{args.least}}" in text
    assert "token=<k of Secret s>" in describe_run(_run(args=[secret]), NOW, Paint(coloured=False))
    applied = {"kubectl.kubernetes.io/last-applied-configuration": '{"stringData":{"k":"hush"}}'}
    metadata = {"name": "s", "namespace": "n", "annotations": applied}
    described = describe_any(SECRET, {"metadata": metadata, "data": {"k": "aHVzaA=="}})
    assert "k: 4 bytes" in described
    assert "aHVzaA==" not in described
    assert "hush" not in described


def test_only_the_newest_measurements_are_shown_and_the_others_counted() -> None:
    text = _text(_run(*(_measurement(f"[{number}]", "Failed", 60 - number) for number in range(8))))
    assert "… 3 earlier" in text
    assert "[2]" not in text
    assert "[3]" in text


def test_without_analyses_that_is_what_is_said() -> None:
    assert render_analyses([], NOW, Paint(coloured=False)) == "\nAnalyses:\n  none\n"


def test_a_run_is_described_with_its_arguments() -> None:
    text = describe_run(_run(), NOW, Paint(coloured=False))
    assert "Arguments:       least=0.95\n                 canary=v2\n" in text
    assert "Status:          ✖ Failed\n" in text


def test_any_object_is_described_as_it_stands() -> None:
    service = {"metadata": {"name": "s", "namespace": "n", "labels": {"a": "b"}}, "spec": {"clusterIP": "None"}}
    text = describe_any(SERVICE, service)
    assert "Labels:          a=b\n" in text
    assert text.endswith("spec:\n  clusterIP: None\n")


def test_events_of_an_earlier_object_of_the_same_name_are_not_its_own() -> None:
    service = {"metadata": {"name": "s", "uid": "new"}}
    about = {"kind": "Service", "name": "s"}
    assert is_about({"involvedObject": about | {"uid": "new"}}, SERVICE, service)
    assert is_about({"involvedObject": about}, SERVICE, service)
    assert not is_about({"involvedObject": about | {"uid": "old"}}, SERVICE, service)
    assert not is_about({"involvedObject": about | {"kind": "Pod"}}, SERVICE, service)
