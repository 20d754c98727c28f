"""Bodies of Kubernetes' own kinds: types, quantities, unknown fields, names, in the words of a real API server."""

from typing import Any

import pytest

from meshsim.api.decode import Object
from meshsim.api.kinds import CONFIG_MAP, DEPLOYMENT, JOB, POD, ROLLOUT, SECRET, SERVICE, Kind
from meshsim.apiserver.registry import Registry, WriteOptions
from meshsim.apiserver.writing.admission import FieldValidation
from meshsim.client.api import InvalidError
from tests.kits.manifests import pod, pod_template, rollout, service

QUANTITY_RULE = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"


def deployment(**spec: Any) -> Object:
    selector = {"matchLabels": {"app": "web"}}
    return {"metadata": {"name": "web"}, "spec": {"selector": selector, "template": pod_template("web"), **spec}}


def with_cpu(amount: Any) -> Object:
    body = deployment()
    body["spec"]["template"]["spec"]["containers"][0]["resources"] = {"requests": {"cpu": amount}}
    return body


def with_env(value: Any) -> Object:
    body = deployment()
    body["spec"]["template"]["spec"]["containers"][0]["env"] = [{"name": "A", "value": value}]
    return body


@pytest.mark.parametrize(
    ("kind", "body", "problem"),
    [
        (
            DEPLOYMENT,
            deployment(replicas="two"),
            "json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32",
        ),
        (
            DEPLOYMENT,
            with_env(1),
            "json: cannot unmarshal number into Go struct field EnvVar.spec.template.spec.containers.env.value "
            "of type string",
        ),
        (
            DEPLOYMENT,
            deployment(template=[]),
            "json: cannot unmarshal array into Go struct field DeploymentSpec.spec.template of type v1.PodTemplateSpec",
        ),
        (
            SERVICE,
            {"metadata": {"name": "web"}, "spec": {"ports": {"port": 80}}},
            "json: cannot unmarshal object into Go struct field ServiceSpec.spec.ports of type []v1.ServicePort",
        ),
        (DEPLOYMENT, with_cpu("abc"), QUANTITY_RULE),
        (DEPLOYMENT, with_cpu(""), QUANTITY_RULE),
        (DEPLOYMENT, with_cpu("1Kx"), QUANTITY_RULE),
        (DEPLOYMENT, with_cpu("1mm"), "unable to parse quantity's suffix"),
        (SECRET, {"metadata": {"name": "web"}, "data": {"a": "!!"}}, "illegal base64 data"),
    ],
)
def test_a_value_that_its_field_cannot_hold_is_refused_in_the_decoders_words(
    registry: Registry, kind: Kind, body: Object, problem: str
) -> None:
    with pytest.raises(InvalidError) as caught:
        registry.create(kind, "default", body)
    expected = f'{kind.kind} in version "v1" cannot be handled as a {kind.kind}: {problem}'
    assert (caught.value.code, str(caught.value)) == (400, expected)


@pytest.mark.parametrize("amount", [2, "2", "500m", "1.5", "1e3", "+1", "64Mi", 0.5])
def test_what_kubernetes_reads_as_an_amount_is_one(registry: Registry, amount: Any) -> None:
    registry.create(DEPLOYMENT, "default", with_cpu(amount))


def test_unknown_fields_of_own_kinds_are_named_by_path_and_left_out(registry: Registry) -> None:
    body = deployment(foo=1)
    body["metadata"]["colour"] = "blue"
    body["spec"]["template"]["spec"]["containers"][0]["bar"] = True
    with pytest.raises(InvalidError) as caught:
        registry.create(DEPLOYMENT, "default", body, WriteOptions(validation=FieldValidation.STRICT))
    message = str(caught.value)
    for path in ("spec.foo", "spec.template.spec.containers[0].bar", "metadata.colour"):
        assert f'unknown field "{path}"' in message
    created = registry.create(DEPLOYMENT, "default", deployment(foo=1))
    assert "foo" not in created["spec"]


def test_what_may_hold_anything_is_left_whole(registry: Registry) -> None:
    created = registry.create(CONFIG_MAP, "default", {"metadata": {"name": "a"}, "data": {"x.y": "z"}})
    assert created["data"] == {"x.y": "z"}
    labelled = rollout()
    labelled["metadata"]["annotations"] = {"any/thing": "x"}
    assert registry.create(ROLLOUT, "default", labelled)["metadata"]["annotations"] == {"any/thing": "x"}


@pytest.mark.parametrize(
    ("kind", "body", "field", "message"),
    [
        (DEPLOYMENT, deployment(replicas=-1), "spec.replicas", "must be greater than or equal to 0"),
        (SERVICE, {**service(), "metadata": {"name": "1web"}}, "metadata.name", "a DNS-1035 label must consist of"),
        (POD, {**pod(), "metadata": {"name": "A_"}}, "metadata.name", "a lowercase RFC 1123 subdomain must consist"),
        (POD, {**pod(), "metadata": {"name": "a", "labels": {"a": "b c"}}}, "metadata.labels", "a valid label must be"),
        (POD, {**pod(), "metadata": {"name": "a", "labels": {"/": ""}}}, "metadata.labels", "prefix part must be non"),
        (
            DEPLOYMENT,
            deployment(template={"metadata": {"labels": {"app": "web"}}}),
            "spec.template.spec.containers",
            "",
        ),
    ],
)
def test_what_is_well_formed_and_wrong_names_its_field(
    registry: Registry, kind: Kind, body: Object, field: str, message: str
) -> None:
    with pytest.raises(InvalidError) as caught:
        registry.create(kind, "default", body)
    assert caught.value.code == 422
    causes = caught.value.status["details"]["causes"]
    assert any(cause["field"] == field and message in cause["message"] for cause in causes), causes


KEY_RULE = (
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  "
    "or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"
)


@pytest.mark.parametrize(
    ("kind", "fields", "field", "problem"),
    [
        (CONFIG_MAP, {"data": {"a/b": "x"}}, "data[a/b]", f'Invalid value: "a/b": {KEY_RULE}'),
        (CONFIG_MAP, {"binaryData": {"": "eA=="}}, "binaryData[]", f'Invalid value: "": {KEY_RULE}'),
        (SECRET, {"data": {"a/b": "eA=="}}, "data[a/b]", f'Invalid value: "a/b": {KEY_RULE}'),
        (SECRET, {"stringData": {"a b": "x"}}, "data[a b]", f'Invalid value: "a b": {KEY_RULE}'),
        (SECRET, {"data": {".": "eA=="}}, "data[.]", "Invalid value: \".\": must not be '.'"),
        (SECRET, {"data": {"..": "eA=="}}, "data[..]", "Invalid value: \"..\": must not be '..'"),
        (SECRET, {"data": {"..a": "eA=="}}, "data[..a]", "Invalid value: \"..a\": must not start with '..'"),
        (
            CONFIG_MAP,
            {"data": {"k" * 254: "x"}},
            f"data[{'k' * 254}]",
            f'Invalid value: "{"k" * 254}": must be no more than 253 characters',
        ),
        (
            CONFIG_MAP,
            {"data": {"a": "x"}, "binaryData": {"a": "eA=="}},
            "data[a]",
            'Invalid value: "a": duplicate of key present in binaryData',
        ),
    ],
)
def test_a_key_that_can_be_no_files_name_is_refused(
    registry: Registry, kind: Kind, fields: Object, field: str, problem: str
) -> None:
    with pytest.raises(InvalidError) as caught:
        registry.create(kind, "default", {"metadata": {"name": "web"}, **fields})
    assert caught.value.code == 422
    assert str(caught.value) == f'{kind.kind} "web" is invalid: {field}: {problem}'


def test_keys_of_every_allowed_character_are_taken(registry: Registry) -> None:
    data = {"a.b-c_D9": "x", ".hidden": "y"}
    assert registry.create(CONFIG_MAP, "default", {"metadata": {"name": "web"}, "data": data})["data"] == data


def job(**spec: Any) -> Object:
    containers = [{"name": "main", "image": "job:v1"}]
    return {"metadata": {"name": "once"}, "spec": {"template": {"spec": {"containers": containers, **spec}}}}


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        ({}, 'Required value: valid values: "OnFailure", "Never"'),
        ({"restartPolicy": "Always"}, 'Required value: valid values: "OnFailure", "Never"'),
        ({"restartPolicy": "Once"}, 'Unsupported value: "Once": supported values: "OnFailure", "Never"'),
    ],
)
def test_a_job_whose_pods_would_never_end_is_refused(registry: Registry, spec: Object, problem: str) -> None:
    with pytest.raises(InvalidError) as caught:
        registry.create(JOB, "default", job(**spec))
    assert caught.value.code == 422
    assert str(caught.value) == f'Job.batch "once" is invalid: spec.template.spec.restartPolicy: {problem}'


@pytest.mark.parametrize("policy", ["OnFailure", "Never"])
def test_a_job_whose_pods_end_is_taken(registry: Registry, policy: str) -> None:
    assert registry.create(JOB, "default", job(restartPolicy=policy))["metadata"]["name"] == "once"
