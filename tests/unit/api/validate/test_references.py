from typing import Any

import pytest

from meshsim.api.analysis import AnalysisTemplate
from meshsim.api.decode import Object, decode
from meshsim.api.meta import Key
from meshsim.api.rollouts import Rollout
from meshsim.api.validate.references import References, check_references, check_service
from tests.kits import manifests


def _rollout(**canary: object) -> Rollout:
    return decode(
        Rollout, {**manifests.rollout(), "spec": {**manifests.rollout()["spec"], "strategy": {"canary": canary}}}
    )


def _template(name: str, *metrics: Object, **spec: object) -> AnalysisTemplate:
    return decode(AnalysisTemplate, {"metadata": {"name": name}, "spec": {"metrics": list(metrics), **spec}})


def _faults(rollout: Rollout, **found: Any) -> list[str]:
    return [str(finding) for finding in check_references(rollout, References(**found))]


def _service(name: str) -> Object:
    return {**manifests.service(name), "spec": {"selector": {"app": "web"}}}


_BOTH = {"stableService": "stable", "canaryService": "canary"}
_SERVICES = {"stable": _service("stable"), "canary": _service("canary")}
_ROUTED: dict[str, object] = {**_BOTH, "trafficRouting": {"istio": {"virtualService": {"name": "web"}}}}


def _virtual_service(*hosts: str) -> Object:
    route = [{"destination": {"host": host}, "weight": 50} for host in hosts]
    return {"metadata": {"name": "web"}, "spec": {"http": [{"route": route}]}}


def test_a_rollout_that_names_nothing_needs_nothing() -> None:
    assert _faults(_rollout()) == []


def test_what_is_missing_is_told_before_anything_is_judged() -> None:
    services = {"stable": {**_service("stable"), "spec": {"selector": {"app": "other"}}}}

    assert _faults(_rollout(**_ROUTED), services=services) == [
        'spec.strategy.canary.canaryService: Invalid value: "canary": service "canary" not found',
        'spec.strategy.canary.trafficRouting.istio.virtualService.name: Invalid value: "web": '
        'virtualservices.networking.istio.io "web" not found',
    ]


def test_a_service_selects_the_rollouts_pods_whatever_version() -> None:
    selector = {"app": "web", "rollouts-pod-template-hash": "x", "tier": "front"}
    service = {"metadata": {"name": "s"}, "spec": {"selector": selector}}

    assert [str(finding) for finding in check_service("path", _rollout(), service)] == [
        'path: Invalid value: "s": Service "s" has unmatch label "tier" in rollout'
    ]


def test_a_virtual_service_leads_to_both_versions() -> None:
    key = Key("default", "web")
    rollout = _rollout(**_ROUTED)

    assert _faults(rollout, services=_SERVICES, virtual_services={key: _virtual_service("stable", "canary")}) == []
    assert _faults(rollout, services=_SERVICES, virtual_services={key: _virtual_service("stable")}) == [
        'spec.strategy.canary.trafficRouting.istio.virtualService.name: Invalid value: "web": '
        "Istio VirtualService has invalid HTTP routes. Error: Canary Service 'canary' not found in route"
    ]


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        ({}, "Unable to get any of the HTTP, TCP or TLS routes for the Istio VirtualService"),
        ({"http": ["x"]}, "Unable to get HTTP routes for Istio VirtualService"),
        ({"tcp": [{"route": [{"weight": "x"}]}]}, "Unable to get TCP routes for Istio VirtualService"),
    ],
)
def test_a_virtual_service_without_readable_routes_is_no_use(spec: Object, problem: str) -> None:
    broken = {"metadata": {"name": "web"}, "spec": spec}

    faults = _faults(_rollout(**_ROUTED), services=_SERVICES, virtual_services={Key("default", "web"): broken})

    assert [fault.partition('"web": ')[2] for fault in faults] == [problem]


def _with_step(*names: str, **analysis: object) -> Rollout:
    return _rollout(steps=[{"analysis": {"templates": [{"templateName": name} for name in names], **analysis}}])


def test_a_template_that_is_missing_is_told_where_it_is_named() -> None:
    outer = _template("outer", templates=[{"templateName": "inner", "clusterScope": True}])

    assert _faults(_with_step("outer", "gone"), templates={"outer": outer}) == [
        "spec.templates: Invalid value: \"inner\": ClusterAnalysisTemplate 'inner' not found",
        "spec.strategy.canary.steps[0].analysis.templates: Invalid value: \"gone\": AnalysisTemplate 'gone' not found",
    ]


def test_the_metrics_of_a_step_end_by_themselves() -> None:
    endless = _template("t", {"name": "m", "interval": "1m"})

    assert _faults(_with_step("t"), templates={"t": endless}) == [
        'spec.strategy.canary.steps[0].analysis.templates: Invalid value: "t": '
        "AnalysisTemplate t has metric m which runs indefinitely. Invalid value for count: <nil>"
    ]
    assert _faults(_with_step("t"), templates={"t": _template("t", {"name": "m"})}) == []


def test_arguments_must_have_values_and_be_known() -> None:
    declared = _template("t", {"name": "m"}, args=[{"name": "host"}])
    unknown = _template("t", {"name": "m", "successCondition": "{{args.gone}}"})

    assert _faults(_with_step("t", args=[{"name": "host", "value": "a"}]), templates={"t": declared}) == []
    assert _faults(_with_step("t"), templates={"t": declared})[0].endswith("args.host was not resolved")
    assert _faults(_with_step("t"), templates={"t": unknown})[0].endswith(
        "AnalysisTemplate t: failed to resolve {{args.gone}}"
    )


def test_templates_together_name_a_metric_once() -> None:
    templates = {name: _template(name, {"name": "same"}) for name in ("a", "b")}

    assert _faults(_with_step("a", "b"), templates=templates) == [
        'spec.strategy.canary.steps[0].analysis.templates: Invalid value: "templateNames: [a b]": '
        "two metrics have the same name 'same'"
    ]


def test_templates_together_give_an_argument_one_value() -> None:
    templates = {name: _template(name, args=[{"name": "x", "value": name}]) for name in ("a", "b")}

    assert _faults(_with_step("a", "b"), templates=templates)[0].endswith(
        "Argument `x` specified multiple times with different values: 'a', 'b'"
    )
