"""Unit tests of a program's environment and arguments."""

from typing import Any

import pytest

from meshsim.api.core import Container, Pod
from meshsim.api.decode import Object, decode
from meshsim.runtime.containers import Sandbox, StartRefusedError
from meshsim.runtime.environment import arguments_of, environment_of, expanded

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


def environment(*env: Object, inherited: dict[str, str] | None = None, **container: Any) -> dict[str, str]:
    return environment_of(*pod_of(*env, **container), SANDBOX, inherited or {})


def test_a_program_is_told_where_to_listen_and_who_it_is() -> None:
    assert environment(ports=[{"containerPort": 8080}, {"containerPort": 9090}]) == {
        "HOSTNAME": "web-1",
        "HOST": "127.16.0.9",
        "PORT": "8080",
    }


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
        (
            {"name": "A", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
            "secretKeyRef, which is not emulated",
        ),
    ],
)
def test_a_variable_that_cannot_be_is_refused(variable: Object, complaint: str) -> None:
    with pytest.raises(StartRefusedError, match=complaint) as refusal:
        environment(variable)
    assert refusal.value.reason == "CreateContainerConfigError"


def test_arguments_are_words_and_no_shell_sees_them() -> None:
    _, container = pod_of(command=["echo", "$(PORT)", "$(touch x)"], args=["a; b", "--flag=$(NONE)", "*"])
    assert arguments_of(container, {"PORT": "80"}) == ["echo", "80", "$(touch x)", "a; b", "--flag=$(NONE)", "*"]


def test_a_dollar_is_written_twice() -> None:
    assert expanded("$$(A) $$$(A) $A ${A}", {"A": "x"}) == "$(A) $x $A ${A}"
