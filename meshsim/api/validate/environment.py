"""The environment of a container: names, and where values come from."""

import re
from collections.abc import Sequence
from typing import Final

from meshsim.api.decode import Wire
from meshsim.api.validate.fields import dns_subdomain_errors, invalid, not_supported, required
from meshsim.api.validate.findings import Findings


class _Key(Wire, frozen=True):
    name: str = ""
    key: str = ""


class _FieldRef(Wire, frozen=True):
    field_path: str = ""


class _ResourceRef(Wire, frozen=True):
    resource: str = ""


class _ValueFrom(Wire, frozen=True):
    field_ref: _FieldRef | None = None
    resource_field_ref: _ResourceRef | None = None
    config_map_key_ref: _Key | None = None
    secret_key_ref: _Key | None = None


class Variable(Wire, frozen=True):
    """One variable, with a value or a place to take it from."""

    name: str = ""
    value: str = ""
    value_from: _ValueFrom | None = None


class _Source(Wire, frozen=True):
    name: str = ""


class Variables(Wire, frozen=True):
    """All keys of a ConfigMap or a Secret."""

    prefix: str = ""
    config_map_ref: _Source | None = None
    secret_ref: _Source | None = None


_NAME: Final = re.compile("[-._a-zA-Z][-._a-zA-Z0-9]*")
_SEVERAL: Final = "may not have more than one field specified at a time"


def _name_errors(name: str) -> list[str]:
    errors = []
    if not _NAME.fullmatch(name):
        errors.append(
            "a valid environment variable name must consist of alphabetic characters, digits, '_', '-', or '.', and "
            "must not start with a digit (e.g. 'my.env-name',  or 'MY_ENV.NAME',  or 'MyEnvName1', regex used for "
            f"validation is '{_NAME.pattern}')"
        )
    return errors + _file_name_errors(name)


def _file_name_errors(name: str) -> list[str]:
    if name == ".":
        return ["must not be '.'"]
    if name == "..":
        return ["must not be '..'"]
    return ["must not start with '..'"] if name.startswith("..") else []


def check_variables(path: str, variables: Sequence[Variable]) -> Findings:
    """`env` of a container."""
    for index, variable in enumerate(variables):
        at = f"{path}[{index}]"
        if not variable.name:
            yield required(f"{at}.name")
        else:
            for error in _name_errors(variable.name):
                yield invalid(f"{at}.name", variable.name, error)
        if variable.value_from is not None:
            yield from _check_value_from(f"{at}.valueFrom", variable.value_from, has_value=bool(variable.value))


def _check_value_from(path: str, source: _ValueFrom, *, has_value: bool) -> Findings:
    sources = 0
    if source.field_ref is not None:
        sources += 1
        yield from _check_field(f"{path}.fieldRef.fieldPath", source.field_ref.field_path)
    if source.resource_field_ref is not None:
        sources += 1
        yield from _check_resource(f"{path}.resourceFieldRef.resource", source.resource_field_ref.resource)
    for name, key in (("configMapKeyRef", source.config_map_key_ref), ("secretKeyRef", source.secret_key_ref)):
        if key is not None:
            sources += 1
            yield from _check_key(f"{path}.{name}", key)
    if not sources:
        text = "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`"
        yield invalid(path, "", text)
    elif has_value:
        yield invalid(path, "", "may not be specified when `value` is not empty")
    elif sources > 1:
        yield invalid(path, "", _SEVERAL)


_KEYED: Final = re.compile(r"metadata\.(labels|annotations)\['[^']*'\]")
_FIELDS: Final = (
    "metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName", "spec.serviceAccountName", "status.hostIP",
    "status.hostIPs", "status.podIP", "status.podIPs",
)  # fmt: skip


def _check_field(path: str, field_path: str) -> Findings:
    if not field_path:
        yield required(path)
    elif field_path not in _FIELDS and not _KEYED.fullmatch(field_path):
        text = f"error converting fieldPath: field label not supported: {field_path}"
        yield invalid(path, field_path, text)


_RESOURCES: Final = tuple(
    f"{kind}.{name}" for kind in ("limits", "requests") for name in ("cpu", "ephemeral-storage", "memory")
)


def _check_resource(path: str, resource: str) -> Findings:
    if not resource:
        yield required(path)
    elif resource not in _RESOURCES and not resource.startswith(("limits.hugepages-", "requests.hugepages-")):
        yield not_supported(path, resource, _RESOURCES)


_CONFIG_KEY: Final = re.compile("[-._a-zA-Z0-9]+")


def _check_key(path: str, key: _Key) -> Findings:
    for error in dns_subdomain_errors(key.name):
        yield invalid(f"{path}.name", key.name, error)
    if not key.key:
        yield required(f"{path}.key")
    elif not _CONFIG_KEY.fullmatch(key.key):
        text = (
            "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or "
            f"'KEY_NAME',  or 'key-name', regex used for validation is '{_CONFIG_KEY.pattern}')"
        )
        yield invalid(f"{path}.key", key.key, text)


def check_sources(path: str, sources: Sequence[Variables]) -> Findings:
    """`envFrom` of a container."""
    for index, source in enumerate(sources):
        at = f"{path}[{index}]"
        for error in _name_errors(source.prefix) if source.prefix else ():
            yield invalid(f"{at}.prefix", source.prefix, error)
        given = [
            (name, ref.name)
            for name, ref in (("configMapRef", source.config_map_ref), ("secretRef", source.secret_ref))
            if ref is not None
        ]
        for name, of in given:
            if not of:
                yield required(f"{at}.{name}.name")
            for error in dns_subdomain_errors(of) if of else ():
                yield invalid(f"{at}.{name}.name", of, error)
        if not given:
            yield invalid(path, "", "must specify one of: `configMapRef` or `secretRef`")
        elif len(given) > 1:
            yield invalid(path, "", _SEVERAL)
