"""CustomResourceDefinitions: the kinds they bring, what is wrong with one, those of the kinds served anyway. Pure."""

import re
from collections.abc import Iterator
from typing import Final
from uuid import NAMESPACE_URL, uuid5

from meshsim.api.decode import FieldError, Object
from meshsim.api.kinds import Kind
from meshsim.api.loose import mapping, mappings
from meshsim.api.validate.fields import invalid, required
from meshsim.api.validate.findings import Finding, Findings
from meshsim.api.validate.schemas import schema_of
from meshsim.apiserver.kinds.custom import CustomKind
from meshsim.apiserver.kinds.json_path import steps_of
from meshsim.apiserver.kinds.structural import structural
from meshsim.kit.timestamps import to_rfc3339

DEFINITION: Final = Kind(
    "apiextensions.k8s.io",
    ("v1",),
    "CustomResourceDefinition",
    "customresourcedefinitions",
    ("crd", "crds"),
    namespaced=False,
    has_status=True,
    categories=("api-extensions",),
)
_SCOPES: Final = {"Namespaced": True, "Cluster": False}
_VERSION: Final = re.compile(r"v(\d+)(?:(alpha|beta)(\d+))?")
_STABILITY: Final = {None: 2, "beta": 1, "alpha": 0}


def kind_of(definition: Object) -> CustomKind:
    """The kind that a definition brings. Raises FieldError for a schema that cannot be gone by."""
    spec = mapping(definition.get("spec"))
    names = mapping(spec.get("names"))
    schemas: dict[str, Object] = {}
    served: dict[str, Object] = {}
    for index, version in enumerate(mappings(spec.get("versions"))):
        name = str(version.get("name"))
        if version.get("served"):
            schema = mapping(version.get("schema")).get("openAPIV3Schema") or {}
            schemas[name] = structural(schema, f"spec.versions[{index}].schema.openAPIV3Schema")
            served[name] = version
    versions = tuple(sorted(served, key=_priority, reverse=True))
    first = served[versions[0]] if versions else {}
    parts = mapping(first.get("subresources"))
    columns = tuple(each for each in mappings(first.get("additionalPrinterColumns")) if _is_readable(each))
    return CustomKind(
        str(spec.get("group")),
        versions,
        str(names.get("kind")),
        str(names.get("plural")),
        _texts(names.get("shortNames")),
        namespaced=_SCOPES.get(str(spec.get("scope")), True),
        has_status="status" in parts,
        has_scale="scale" in parts,
        categories=_texts(names.get("categories")),
        schemas=schemas,
        columns=columns,
        scale={name: str(path) for name, path in mapping(parts.get("scale")).items()},
    )


def _texts(value: object) -> tuple[str, ...]:
    return tuple(str(item) for item in value) if isinstance(value, list) else ()


def _priority(version: str) -> tuple[int, int, int, str]:
    """Kubernetes' order of versions: stable before beta before alpha, the newer first, all others last."""
    found = _VERSION.fullmatch(version)
    if found is None:
        return -1, 0, 0, version
    return _STABILITY[found[2]], int(found[1]), int(found[3] or 0), version


def _is_readable(column: Object) -> bool:
    try:
        steps_of(str(column.get("jsonPath") or ""))
    except ValueError:
        return False
    return bool(column.get("name"))


def definition_faults(definition: Object) -> Findings:
    """What is wrong with a definition."""
    spec, name = mapping(definition.get("spec")), definition["metadata"]["name"]
    names, group, scope = mapping(spec.get("names")), spec.get("group"), spec.get("scope")
    yield from (required(f"spec.{field}") for field in ("group", "scope") if not spec.get(field))
    yield from (required(f"spec.names.{field}") for field in ("plural", "kind") if not names.get(field))
    wanted = f"{names.get('plural')}.{group}"
    if name != wanted:
        yield invalid("metadata.name", name, 'must be spec.names.plural+"."+spec.group')
    if scope and str(scope) not in _SCOPES:
        yield Finding("spec.scope", f'Unsupported value: "{scope}": supported values: "Cluster", "Namespaced"')
    versions = mappings(spec.get("versions"))
    if sum(version.get("storage") is True for version in versions) != 1:
        yield Finding("spec.versions", "Invalid value: must have exactly one version marked as storage version")
    if not any(version.get("served") is True for version in versions):
        yield Finding("spec.versions", "Invalid value: must have at least one served version")
    for index, version in enumerate(versions):
        if not version.get("name"):
            yield required(f"spec.versions[{index}].name")
        if not mapping(version.get("schema")).get("openAPIV3Schema"):
            yield required(f"spec.versions[{index}].schema.openAPIV3Schema", "schemas are required")
    try:
        kind_of(definition)
    except FieldError as error:
        yield Finding(error.path, f"Invalid value: {error.message}")


def with_names(definition: Object) -> None:
    """Fill in the names that follow from the others."""
    names = mapping(mapping(definition.get("spec")).get("names"))
    kind = str(names.get("kind") or "")
    names.setdefault("singular", kind.lower())
    names.setdefault("listKind", f"{kind}List")
    mapping(definition.get("spec")).setdefault("conversion", {"strategy": "None"})


def established(definition: Object, now: float) -> Object:
    """The status of a definition whose kind is served; times are kept from before."""
    spec, before = mapping(definition.get("spec")), mapping(definition.get("status"))
    stored = [str(version.get("name")) for version in mappings(spec.get("versions")) if version.get("storage")]
    known = mappings(before.get("conditions")) or [
        _condition("NamesAccepted", "NoConflicts", "no conflicts found", now),
        _condition("Established", "InitialNamesAccepted", "the initial names have been accepted", now),
    ]
    kept = [version for version in _texts(before.get("storedVersions")) if version not in stored]
    return {"conditions": known, "acceptedNames": spec.get("names"), "storedVersions": [*kept, *stored]}


def _condition(type_: str, reason: str, message: str, now: float) -> Object:
    stamp = to_rfc3339(now)
    return {"type": type_, "status": "True", "lastTransitionTime": stamp, "reason": reason, "message": message}


def shipped_definitions(kinds: tuple[Kind, ...], now: float) -> Iterator[Object]:
    """The definitions of the custom resources that are served whether anybody defines them or not."""
    for kind in kinds:
        schema = None if isinstance(kind, CustomKind) else schema_of(kind.group, kind.kind)
        if schema is not None:
            yield _shipped(kind, schema, now)


def _shipped(kind: Kind, schema: Object, now: float) -> Object:
    parts: Object = {"status": {}} if kind.has_status else {}
    if kind.has_scale:
        parts["scale"] = {
            "specReplicasPath": ".spec.replicas",
            "statusReplicasPath": ".status.HPAReplicas",
            "labelSelectorPath": ".status.selector",
        }
    names: Object = {"plural": kind.plural, "singular": kind.singular, "kind": kind.kind, "listKind": f"{kind}List"}
    versions = [
        {
            "name": version,
            "served": True,
            "storage": version == kind.version,
            "schema": {"openAPIV3Schema": schema},
            **({"subresources": parts} if parts else {}),
        }
        for version in kind.versions
    ]
    spec = {
        "group": kind.group,
        "scope": "Namespaced" if kind.namespaced else "Cluster",
        "names": names | ({"shortNames": list(kind.short_names)} if kind.short_names else {}),
        "versions": versions,
        "conversion": {"strategy": "None"},
    }
    metadata = {
        "name": kind.resource,
        "uid": str(uuid5(NAMESPACE_URL, kind.resource)),
        "creationTimestamp": to_rfc3339(now),
        "generation": 1,
    }
    definition = {"apiVersion": DEFINITION.api_version, "kind": DEFINITION.kind, "metadata": metadata, "spec": spec}
    return {**definition, "status": established(definition, now)}
