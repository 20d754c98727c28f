"""The environment and the arguments of a program that a container runs. Pure."""

import base64
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from meshsim.api.core import Container, EnvFrom, EnvVar, Pod
from meshsim.api.decode import Object
from meshsim.api.kinds import CONFIG_MAP, SECRET, Kind
from meshsim.api.quantities import QuantityError, parse_quantity
from meshsim.runtime.containers.containers import NODE_ROOM, Sandbox, StartRefusedError

_INHERITED: Final = ("PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "VIRTUAL_ENV", "SYSTEMROOT")
"""Nothing else of the node's own environment reaches a program: it might be secret."""
_NAME: Final = re.compile(r"[-._a-zA-Z][-._a-zA-Z0-9]*")
_REFERENCE: Final = re.compile(r"\$\$|\$\(([-._a-zA-Z][-._a-zA-Z0-9]*)\)")
_MAP_FIELD: Final = re.compile(r"metadata\.(labels|annotations)\['([^']+)'\]")


@dataclass(frozen=True, slots=True)
class Source:
    """A ConfigMap or a Secret of the pod's namespace that variables come from."""

    kind: Kind
    name: str


Sources = Mapping[Source, Mapping[str, str]]
"""What each of them holds; those that don't exist are not in it."""


def sources_of(container: Container) -> set[Source]:
    """Where the container's variables come from."""
    whole = [reference for entry in container.env_from for reference in _references(entry)]
    single = [reference for variable in container.env for reference in _key_references(variable.value_from or {})]
    return {source for source, _ in (*whole, *single)}


def texts_of(kind: Kind, obj: Object) -> dict[str, str]:
    """The keys of a ConfigMap or a Secret and their values."""
    data: dict[str, str] = obj.get("data") or {}
    if kind is not SECRET:
        return dict(data)
    return {key: base64.b64decode(value).decode("utf-8", "surrogateescape") for key, value in data.items()}


def environment_of(
    pod: Pod, container: Container, sandbox: Sandbox, inherited: Mapping[str, str], sources: Sources | None = None
) -> dict[str, str]:
    """What the program finds in its environment: `PORT` and `HOST` say where it is to listen.

    Raises StartRefusedError for a variable that cannot be.
    """
    environment = {name: inherited[name] for name in _INHERITED if name in inherited}
    environment |= {"HOSTNAME": pod.metadata.name, "HOST": sandbox.ip}
    if container.ports:
        environment["PORT"] = str(sandbox.port(container.ports[0].container_port))
    for entry in container.env_from:
        for source, reference in _references(entry):
            held = _held(source, reference, sources or {}) or {}
            # As the kubelet does, what is no name of a variable is left out.
            names = {f"{entry.prefix}{key}": value for key, value in held.items()}
            environment |= {name: value for name, value in names.items() if _NAME.fullmatch(name)}
    for variable in container.env:
        if not _NAME.fullmatch(variable.name):
            raise _refused(f'"{variable.name}" is no name of an environment variable')
        value = _value(variable, pod, container, sandbox, environment, sources or {})
        if value is not None:
            environment[variable.name] = value
    empty = next((name for name, value in environment.items() if "\0" in value), None)
    if empty is not None:
        raise _refused(f"the environment variable {empty} holds a null byte")
    return environment


def arguments_of(container: Container, environment: Mapping[str, str]) -> list[str]:
    """The program and its arguments, references resolved as Kubernetes does."""
    return [expanded(word, environment) for word in (*container.command, *container.args)]


def expanded(text: str, environment: Mapping[str, str]) -> str:
    """The text with each `$(NAME)` replaced; an unknown one is left as it is, and `$$` stands for `$`."""

    def replace(found: re.Match[str]) -> str:
        return "$" if found[0] == "$$" else environment.get(found[1], found[0])

    return _REFERENCE.sub(replace, text)


def _value(
    variable: EnvVar, pod: Pod, container: Container, sandbox: Sandbox, environment: Mapping[str, str], sources: Sources
) -> str | None:
    """The variable's value; None when it is left out."""
    if not variable.value_from:
        return expanded(variable.value, environment)
    for source, reference in _key_references(variable.value_from):
        held, key = _held(source, reference, sources), str(reference.get("key"))
        if held is not None and key not in held and not reference.get("optional"):
            raise _refused(f"couldn't find key {key} in {source.kind.kind} {pod.metadata.namespace}/{source.name}")
        return None if held is None else held.get(key)
    field = (variable.value_from.get("fieldRef") or {}).get("fieldPath")
    value = _field(str(field), pod, sandbox)
    if value is None:
        value = _resource(variable.value_from.get("resourceFieldRef") or {}, container)
    if value is None:
        origin = ", ".join(variable.value_from)
        raise _refused(f"the environment variable {variable.name} comes from {origin}, which is not emulated")
    return value


def _references(entry: EnvFrom) -> Iterator[tuple[Source, Object]]:
    for kind, reference in ((CONFIG_MAP, entry.config_map_ref), (SECRET, entry.secret_ref)):
        if reference is not None:
            yield Source(kind, str(reference.get("name"))), reference


def _key_references(value_from: Object) -> Iterator[tuple[Source, Object]]:
    for kind, field in ((CONFIG_MAP, "configMapKeyRef"), (SECRET, "secretKeyRef")):
        if value_from.get(field) is not None:
            yield Source(kind, str(value_from[field].get("name"))), value_from[field]


def _held(source: Source, reference: Object, sources: Sources) -> Mapping[str, str] | None:
    """What it holds; None when it isn't there and needn't be."""
    held = sources.get(source)
    if held is None and not reference.get("optional"):
        raise _refused(f'{source.kind.kind.lower()} "{source.name}" not found')
    return held


def _resource(reference: Object, container: Container) -> str | None:
    """`limits.memory` in units of the divisor, rounded up; without a limit it is the node's, as the kubelet has it."""
    part, _, resource = str(reference.get("resource")).partition(".")
    if part not in ("limits", "requests") or resource not in NODE_ROOM:
        return None
    asked = container.resources.get(part) or {}
    room = NODE_ROOM[resource] if part == "limits" else "0"
    try:
        divisor = parse_quantity(str(reference.get("divisor") or "1")) or 1.0
        return str(math.ceil(parse_quantity(str(asked.get(resource, room))) / divisor))
    except QuantityError:
        return None


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
        "spec.serviceAccountName": pod.spec.service_account_name or "default",
        "status.podIP": sandbox.ip,
        "status.podIPs": sandbox.ip,
        "status.hostIP": "127.0.0.1",
        "status.hostIPs": "127.0.0.1",
    }.get(path)


def _refused(message: str) -> StartRefusedError:
    return StartRefusedError("CreateContainerConfigError", message)
