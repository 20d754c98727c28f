from typing import Any

import pytest

from meshsim.api.decode import Object
from meshsim.api.validate.lint import lint, subject_of
from tests.kits import manifests


def _rollout(name: str = "web", **canary: object) -> Object:
    rollout = manifests.rollout(name)
    rollout["spec"]["strategy"]["canary"].update(canary)
    return rollout


def _service(name: str, selected: str) -> Object:
    return {**manifests.service(name), "spec": {"selector": {"app": selected}}}


def _virtual_service(**spec: Any) -> Object:
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": {"name": "web"},
        "spec": {"hosts": ["web"], "http": [{"route": [{"destination": {"host": "web"}}]}], **spec},
    }


def _lint(*objects: tuple[str, Object]) -> list[tuple[int, str, bool]]:
    subjects = [subject_of(file, obj) for file, obj in objects]
    return [(number, str(finding), finding.is_warning) for number, finding in lint(subjects)]


def test_right_objects_have_no_findings() -> None:
    assert _lint(("a", _rollout()), ("a", _virtual_service()), ("a", manifests.service())) == []


def test_an_unknown_field_is_an_error_for_argo_and_a_warning_for_istio() -> None:
    findings = _lint(("a", _rollout(unheardOf=1)), ("a", _virtual_service(unheardOf=1)))

    assert [(number, is_warning) for number, _, is_warning in findings] == [(0, False), (1, True)]
    assert all("unknown field" in text for _, text, _ in findings)


def test_services_and_ingresses_are_read_strictly_for_a_rollout_may_name_them() -> None:
    service = _service("web", "web")
    service["spec"]["ports"] = [{"port": 80, "nodeport": 1}]
    backend = {"serviceName": "web", "servicePort": 80}
    ingress: Object = {
        "kind": "Ingress",
        "metadata": {"name": "web"},
        "spec": {"rules": [{"http": {"paths": [{"backend": backend}]}}]},
    }

    findings = _lint(
        ("a", service),
        ("a", ingress | {"apiVersion": "networking.k8s.io/v1"}),
        ("a", ingress | {"apiVersion": "networking.k8s.io/v1beta1"}),
        ("a", {**_service("text", "web"), "spec": {"ports": [{"port": "80"}]}}),
    )

    at = "spec.rules[0].http.paths[0].backend"
    assert findings == [
        (0, 'spec.ports[0].nodeport: unknown field "spec.ports[0].nodeport"', False),
        (1, f'{at}.serviceName: unknown field "{at}.serviceName"', False),
        (1, f'{at}.servicePort: unknown field "{at}.servicePort"', False),
        (
            3,
            'spec.ports[0].port: Invalid value: "string": spec.ports[0].port in body must be of type integer: "string"',
            False,
        ),
    ]


@pytest.mark.parametrize(
    ("obj", "what"),
    [
        (_rollout("X_Y"), "a lowercase RFC 1123 subdomain must consist of"),
        ({**_virtual_service(), "metadata": {"name": "X_Y"}}, "a lowercase RFC 1123 subdomain must consist of"),
        (_service("1st", "web"), "a DNS-1035 label must consist of"),
    ],
    ids=["rollout", "virtual service", "service"],
)
def test_a_name_that_the_api_does_not_take_is_an_error(obj: Object, what: str) -> None:
    _, text, is_warning = _lint(("a", obj))[-1]

    assert text.startswith(f'metadata.name: Invalid value: "{obj["metadata"]["name"]}": {what}')
    assert not is_warning


def test_an_object_has_a_name_and_well_formed_labels() -> None:
    nameless = {**_virtual_service(), "metadata": {"labels": {"a b": "c"}, "annotations": {"-": ""}}}

    findings = [text.partition(" (e.g.")[0] for _, text, _ in _lint(("a", nameless))]

    word = "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an"
    assert findings == [
        "metadata.name: Required value: name or generateName is required",
        f'metadata.labels: Invalid value: "a b": {word} alphanumeric character',
        f'metadata.annotations: Invalid value: "-": {word} alphanumeric character',
    ]


def test_what_the_schema_and_the_webhook_both_see_is_said_once() -> None:
    findings = _lint(("a", _virtual_service(http=[{"timeout": "0s", "route": [{"destination": {"host": "web"}}]}])))

    assert [text for _, text, _ in findings] == ["spec.http[0].timeout: duration must be greater than 1ms"]


def test_a_rollout_of_wrong_types_is_judged_by_its_schema_only() -> None:
    findings = _lint(("a", _rollout(steps="none")))

    assert len(findings) == 1
    assert "must be of type array" in findings[0][1]


def test_a_service_is_looked_for_in_the_same_file_first() -> None:
    rollout = _rollout(stableService="s", canaryService="c")

    findings = _lint(("a", rollout), ("b", _service("s", "other")), ("a", _service("s", "web")))

    assert findings == []


def test_a_service_of_another_file_counts_when_there_is_only_one() -> None:
    rollout = _rollout(stableService="s", canaryService="c")

    only_one = _lint(("a", rollout), ("b", _service("s", "other")))
    two = _lint(("a", rollout), ("b", _service("s", "other")), ("c", _service("s", "other")))

    assert [text for _, text, _ in only_one] == [
        'spec.strategy.canary.stableService: Invalid value: "s": Service "s" has unmatch label "app" in rollout'
    ]
    assert two == []


def test_a_service_of_another_namespace_is_another_service() -> None:
    service = _service("s", "other")
    service["metadata"]["namespace"] = "elsewhere"

    assert _lint(("a", _rollout(stableService="s", canaryService="c")), ("a", service)) == []


def test_a_virtual_service_must_lead_to_both_versions() -> None:
    routing = {"istio": {"virtualService": {"name": "web"}}}
    rollout = _rollout(stableService="s", canaryService="c", trafficRouting=routing)

    assert [text.rpartition(": ")[2] for _, text, _ in _lint(("a", rollout), ("b", _virtual_service()))] == [
        "Canary Service 'c' not found in route"
    ]


def test_what_is_not_emulated_is_named() -> None:
    routing = {"nginx": {"stableIngress": "i"}, "plugins": {"a/b": {}}}
    steps = [{"plugin": {"name": "a/b"}}]

    findings = _lint(("a", _rollout(stableService="s", canaryService="c", trafficRouting=routing, steps=steps)))

    assert [(text, is_warning) for _, text, is_warning in findings] == [
        ("spec.strategy.canary.trafficRouting.nginx: nginx is not emulated: only Istio splits traffic here", True),
        ("spec.strategy.canary.trafficRouting.plugins: plugins is not emulated: only Istio splits traffic here", True),
        ("spec.strategy.canary.steps[0].plugin: step plugins are not emulated", True),
    ]


def test_an_object_that_is_none_is_out_of_scope() -> None:
    subject = subject_of("a", {"kind": 1, "apiVersion": [], "metadata": "x"})

    assert not subject.is_in_scope
    assert (subject.kind, subject.group, subject.name, subject.namespace) == ("", "", "", "default")
