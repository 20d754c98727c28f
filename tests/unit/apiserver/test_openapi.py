"""OpenAPI documents: every kind is there whole, and every reference leads somewhere."""

from collections.abc import Iterator
from typing import Any

import pytest

from meshsim.api.decode import Object, read_json
from meshsim.apiserver.discovery.openapi import OpenApi
from meshsim.apiserver.kinds.served import SERVED

_API = OpenApi(SERVED)
PATHS = sorted(_API.index()["paths"])


def document(path: str) -> Object:
    data = OpenApi(SERVED).document(path)
    assert data is not None
    read: Object = read_json(data)
    return read


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for part in value.values():
            yield from references(part)
    elif isinstance(value, list):
        for item in value:
            yield from references(item)


@pytest.mark.parametrize("path", PATHS)
def test_every_reference_of_a_document_leads_to_a_schema(path: str) -> None:
    schemas = document(path)["components"]["schemas"]
    assert {reference.rpartition("/")[2] for reference in references(schemas)} <= schemas.keys()


@pytest.mark.parametrize("path", PATHS)
def test_every_kind_of_a_document_has_a_described_schema(path: str) -> None:
    read = document(path)
    patched = {operation["patch"]["x-kubernetes-group-version-kind"]["kind"] for operation in read["paths"].values()}
    described = {
        named["kind"]
        for schema in read["components"]["schemas"].values()
        for named in schema.get("x-kubernetes-group-version-kind", ())
        if schema["description"] and {"apiVersion", "kind", "metadata"} <= schema["properties"].keys()
    }
    assert patched == described


def test_own_kinds_have_their_fields_with_types_and_sentences() -> None:
    schemas = document("apis/apps/v1")["components"]["schemas"]
    replicas = schemas["io.k8s.api.apps.v1.DeploymentSpec"]["properties"]["replicas"]
    assert replicas == {"type": "integer", "format": "int32", "description": "How many pods there are to be."}
    env = schemas["io.k8s.api.core.v1.Container"]["properties"]["env"]
    assert env["x-kubernetes-list-map-keys"] == ["name"]


def test_steps_of_a_canary_are_explained() -> None:
    schema = document("apis/argoproj.io/v1alpha1")["components"]["schemas"]["io.argoproj.v1alpha1.Rollout"]
    canary = schema["properties"]["spec"]["properties"]["strategy"]["properties"]["canary"]["properties"]
    weight = canary["steps"]["items"]["properties"]["setWeight"]
    assert weight["description"] == "Percentage of the traffic that the canary gets from now on."
