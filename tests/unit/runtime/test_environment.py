"""Unit tests of a program's environment and arguments."""

from typing import Any

import pytest

from meshsim.api.core import Container, Pod
from meshsim.api.decode import Object, decode
from meshsim.api.kinds import CONFIG_MAP, SECRET
from meshsim.runtime.containers.containers import Sandbox, StartRefusedError
from meshsim.runtime.programs.environment import Source, arguments_of, environment_of, expanded, sources_of, texts_of

SANDBOX = Sandbox("127.16.0.9", {})


def pod_of(*env: Object, **container: Any) -> tuple[Pod, Container]:
    pod = decode(
        Pod,
        {
            "metadata": {"name": "web-1", "namespace": "shop", "uid": "u", "labels": {"app": "web"}},
            "spec": {"nodeName": "node", "containers": [{"name": "web", "env": list(env), **container}]},
        },
    )
    return pod, pod.spec.containers[0]


SETTINGS, KEYS = Source(CONFIG_MAP, "c"), Source(SECRET, "keys")
SOURCES = {SETTINGS: {"MODE": "fast", "not a name=": "x"}, KEYS: {"TOKEN": "t"}}


def environment(*env: Object, inherited: dict[str, str] | None = None, **container: Any) -> dict[str, str]:
    return environment_of(*pod_of(*env, **container), SANDBOX, inherited or {}, SOURCES)


def test_a_program_is_told_where_to_listen_and_who_it_is() -> None:
    assert environment(ports=[{"containerPort": 8080}, {"containerPort": 9090}]) == {
        "HOSTNAME": "web-1",
        "HOST": "127.16.0.9",
        "PORT": "8080",
    }


@pytest.mark.parametrize(("spec", "name"), [({}, "default"), ({"serviceAccountName": "shop"}, "shop")])
def test_a_program_can_be_told_its_service_account(spec: Object, name: str) -> None:
    account = {"name": "WHO", "valueFrom": {"fieldRef": {"fieldPath": "spec.serviceAccountName"}}}
    pod = decode(
        Pod, {"metadata": {"name": "web-1"}, "spec": {"containers": [{"name": "web", "env": [account]}], **spec}}
    )
    assert environment_of(pod, pod.spec.containers[0], SANDBOX, {})["WHO"] == name


def test_the_port_is_the_one_that_really_listens() -> None:
    pod, container = pod_of(ports=[{"containerPort": 8080}])
    assert environment_of(pod, container, Sandbox("127.0.0.1", {8080: 41233}), {})["PORT"] == "41233"


def test_nothing_secret_of_the_nodes_environment_reaches_a_program() -> None:
    inherited = {"PATH": "/bin", "HOME": "/home/me", "AWS_SECRET_ACCESS_KEY": "s", "MESHSIM_CLOCK": "1,2,3"}
    assert environment(inherited=inherited).keys() == {"PATH", "HOME", "HOSTNAME", "HOST"}


def test_variables_see_those_before_them_and_fields_of_the_pod() -> None:
    assert (
        environment(
            {"name": "A", "value": "1"},
            {"name": "B", "value": "$(A)2 $(C) $$(A)"},
            {"name": "C", "value": "3"},
            {"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
            {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
            {"name": "APP", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['app']"}}},
        ).items()
        >= {"B": "12 $(C) $(A)", "POD": "web-1", "IP": "127.16.0.9", "APP": "web"}.items()
    )


@pytest.mark.parametrize(
    ("variable", "complaint"),
    [
        ({"name": "A=B", "value": "x"}, '"A=B" is no name'),
        ({"name": "", "value": "x"}, '"" is no name'),
        ({"name": "A", "value": "x\0y"}, "null byte"),
        ({"name": "A", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}, '^secret "s" not found$'),
        ({"name": "A", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "k"}}}, "find key k in ConfigMap shop/c"),
        ({"name": "A", "valueFrom": {"fileKeyRef": {"path": "p"}}}, "fileKeyRef, which is not emulated"),
        ({"name": "A", "valueFrom": {"resourceFieldRef": {"resource": "x"}}}, "resourceFieldRef, which is not"),
    ],
)
def test_a_variable_that_cannot_be_is_refused(variable: Object, complaint: str) -> None:
    with pytest.raises(StartRefusedError, match=complaint) as refusal:
        environment(variable)
    assert refusal.value.reason == "CreateContainerConfigError"


def test_variables_come_from_config_maps_and_secrets() -> None:
    mode = {"name": "M", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "MODE"}}}
    token = {"name": "T", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "TOKEN"}}}
    found = environment(mode, token, {"name": "BOTH", "value": "$(M)-$(T)"})
    assert (found["M"], found["T"], found["BOTH"]) == ("fast", "t", "fast-t")


def test_all_keys_of_a_source_become_variables_that_a_containers_own_override() -> None:
    sources = [{"configMapRef": {"name": "c"}}, {"prefix": "KEY_", "secretRef": {"name": "keys"}}]
    found = environment({"name": "MODE", "value": "slow"}, envFrom=sources)
    assert found == {"HOSTNAME": "web-1", "HOST": "127.16.0.9", "MODE": "slow", "KEY_TOKEN": "t"}


def test_what_is_optional_and_not_there_is_left_out() -> None:
    key = {"name": "A", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "none", "optional": True}}}
    gone = {"name": "B", "valueFrom": {"secretKeyRef": {"name": "none", "key": "k", "optional": True}}}
    found = environment(key, gone, envFrom=[{"secretRef": {"name": "none", "optional": True}}])
    assert found.keys() == {"HOSTNAME", "HOST"}


def test_a_source_that_is_not_there_keeps_the_container_from_starting() -> None:
    with pytest.raises(StartRefusedError, match='configmap "none" not found'):
        environment(envFrom=[{"configMapRef": {"name": "none"}}])


@pytest.mark.parametrize(
    ("reference", "value"),
    [
        ({"resource": "limits.memory", "divisor": "1Mi"}, "64"),
        ({"resource": "limits.cpu"}, "1"),
        ({"resource": "requests.cpu", "divisor": "1m"}, "0"),
        ({"resource": "requests.memory"}, "1000"),
    ],
)
def test_a_container_knows_its_resources_rounded_up(reference: Object, value: str) -> None:
    resources = {"limits": {"memory": "64Mi", "cpu": "500m"}, "requests": {"memory": "1k"}}
    assert environment({"name": "A", "valueFrom": {"resourceFieldRef": reference}}, resources=resources)["A"] == value


def test_a_source_is_known_by_all_who_refer_to_it() -> None:
    _, container = pod_of(
        {"name": "M", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "MODE"}}},
        envFrom=[{"configMapRef": {"name": "c"}}, {"secretRef": {"name": "keys"}}],
    )
    assert sources_of(container) == {SETTINGS, KEYS}


def test_a_secret_is_read_from_its_base64() -> None:
    assert texts_of(SECRET, {"data": {"k": "dmFs/w=="}}) == {"k": "val\udcff"}
    assert texts_of(CONFIG_MAP, {"data": {"k": "dmFs"}}) == {"k": "dmFs"}
    assert texts_of(CONFIG_MAP, {}) == {}


def test_arguments_are_words_and_no_shell_sees_them() -> None:
    _, container = pod_of(command=["echo", "$(PORT)", "$(touch x)"], args=["a; b", "--flag=$(NONE)", "*"])
    assert arguments_of(container, {"PORT": "80"}) == ["echo", "80", "$(touch x)", "a; b", "--flag=$(NONE)", "*"]


def test_a_dollar_is_written_twice() -> None:
    assert expanded("$$(A) $$$(A) $A ${A}", {"A": "x"}) == "$(A) $x $A ${A}"
