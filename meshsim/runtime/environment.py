"""The environment and the arguments of a program that a container runs. Pure."""

import re
from collections.abc import Mapping
from typing import Final

from meshsim.api.core import Container, EnvVar, Pod
from meshsim.runtime.containers import Sandbox, StartRefusedError

_INHERITED: Final = ("PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "VIRTUAL_ENV", "SYSTEMROOT")
"""Nothing else of the node's own environment reaches a program: it might be secret."""
_NAME: Final = re.compile(r"[-._a-zA-Z][-._a-zA-Z0-9]*")
_REFERENCE: Final = re.compile(r"\$\$|\$\(([-._a-zA-Z][-._a-zA-Z0-9]*)\)")
_MAP_FIELD: Final = re.compile(r"metadata\.(labels|annotations)\['([^']+)'\]")


def environment_of(pod: Pod, container: Container, sandbox: Sandbox, inherited: Mapping[str, str]) -> dict[str, str]:
    """What the program finds in its environment: `PORT` and `HOST` say where it is to listen.

    Raises StartRefusedError for a variable that cannot be.
    """
    environment = {name: inherited[name] for name in _INHERITED if name in inherited}
    environment |= {"HOSTNAME": pod.metadata.name, "HOST": sandbox.ip}
    if container.ports:
        environment["PORT"] = str(sandbox.port(container.ports[0].container_port))
    for variable in container.env:
        if not _NAME.fullmatch(variable.name):
            raise _refused(f'"{variable.name}" is no name of an environment variable')
        value = _value(variable, pod, sandbox, environment)
        if "\0" in value:
            raise _refused(f"the environment variable {variable.name} holds a null byte")
        environment[variable.name] = value
    return environment


def arguments_of(container: Container, environment: Mapping[str, str]) -> list[str]:
    """The program and its arguments, references resolved as Kubernetes does."""
    return [expanded(word, environment) for word in (*container.command, *container.args)]


def expanded(text: str, environment: Mapping[str, str]) -> str:
    """The text with each `$(NAME)` replaced; an unknown one is left as it is, and `$$` stands for `$`."""

    def replace(found: re.Match[str]) -> str:
        return "$" if found[0] == "$$" else environment.get(found[1], found[0])

    return _REFERENCE.sub(replace, text)


def _value(variable: EnvVar, pod: Pod, sandbox: Sandbox, environment: Mapping[str, str]) -> str:
    if not variable.value_from:
        return expanded(variable.value, environment)
    field = (variable.value_from.get("fieldRef") or {}).get("fieldPath")
    value = _field(str(field), pod, sandbox)
    if value is None:
        source = ", ".join(variable.value_from)
        raise _refused(f"the environment variable {variable.name} comes from {source}, which is not emulated")
    return value


def _field(path: str, pod: Pod, sandbox: Sandbox) -> str | None:
    entry = _MAP_FIELD.fullmatch(path)
    if entry is not None:
        values = pod.metadata.labels if entry[1] == "labels" else pod.metadata.annotations
        return values.get(entry[2], "")
    return {
        "metadata.name": pod.metadata.name,
        "metadata.namespace": pod.metadata.namespace,
        "metadata.uid": pod.metadata.uid,
        "spec.nodeName": pod.spec.node_name,
        "status.podIP": sandbox.ip,
        "status.hostIP": "127.0.0.1",
    }.get(path)


def _refused(message: str) -> StartRefusedError:
    return StartRefusedError("CreateContainerConfigError", message)
