"""CustomResourceDefinitions: those of the kinds served anyway, and kinds that are served because they are defined."""

from typing import Any

import pytest

from meshsim.api.decode import Object, read_json
from meshsim.api.kinds import ROLLOUT, Kind
from meshsim.api.meta import Key
from meshsim.apiserver.answers.columns import columns_of
from meshsim.apiserver.discovery.openapi import OpenApi
from meshsim.apiserver.kinds.custom import CustomKind
from meshsim.apiserver.kinds.definitions import DEFINITION
from meshsim.apiserver.kinds.json_path import steps_of, value_at
from meshsim.apiserver.kinds.served import SERVED
from meshsim.apiserver.registry import Registry, WriteOptions
from meshsim.apiserver.storage.selection import Selection
from meshsim.apiserver.storage.store import Store
from meshsim.apiserver.writing.admission import FieldValidation
from meshsim.apiserver.writing.deletion import DeleteOptions
from meshsim.client.api import ApiError, InvalidError, NotFoundError, PatchType
from meshsim.kit.chance import draws
from tests.kits.manifests import rollout

NOW = 1_767_225_600.0
NAME = Key("", "monitors.example.com")
WEB = Key("default", "web")


@pytest.fixture
def registry() -> Registry:
    return Registry(Store(SERVED, int(NOW * 1000)), lambda: NOW, draws(1))


def definition(**spec: Any) -> Object:
    ports = {"type": "array", "items": {"type": "object", "properties": {"port": {"type": "string"}}}}
    size = {"type": "integer", "default": 1, "minimum": 0}
    schema = {
        "type": "object",
        "required": ["spec"],
        "properties": {
            "spec": {"type": "object", "properties": {"ports": ports, "size": size}},
            "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
        },
    }
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": schema},
        "subresources": {
            "status": {},
            "scale": {"specReplicasPath": ".spec.size", "statusReplicasPath": ".status.size"},
        },
        "additionalPrinterColumns": [
            {"name": "Port", "type": "string", "jsonPath": ".spec.ports[0].port"},
            {"name": "Ready", "type": "string", "jsonPath": '.status.conditions[?(@.type=="Ready")].status'},
            {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
        ],
    }
    names = {"plural": "monitors", "kind": "Monitor", "shortNames": ["mon"]}
    wanted = {"group": "example.com", "scope": "Namespaced", "names": names, "versions": [version], **spec}
    return {"metadata": {"name": "monitors.example.com"}, "spec": wanted}


def define(registry: Registry, body: Object | None = None) -> Kind:
    registry.create(DEFINITION, "", body or definition())
    return next(kind for kind in registry.store.kinds if isinstance(kind, CustomKind))


def monitor(**spec: Any) -> Object:
    return {"metadata": {"name": "web"}, "spec": {"ports": [{"port": "http"}], **spec}}


def test_the_kinds_that_are_served_anyway_have_their_definitions(registry: Registry) -> None:
    names = {obj["metadata"]["name"] for obj in registry.select(DEFINITION, Selection())}
    assert {"rollouts.argoproj.io", "virtualservices.networking.istio.io"} <= names
    assert len(names) == 10
    found = registry.get(DEFINITION, Key("", "rollouts.argoproj.io"))
    assert [condition["type"] for condition in found["status"]["conditions"]] == ["NamesAccepted", "Established"]
    assert found["spec"]["versions"][0]["subresources"]["scale"]["statusReplicasPath"] == ".status.HPAReplicas"


def test_a_newer_definition_of_such_a_kind_is_kept_and_changes_nothing(registry: Registry) -> None:
    change = {"spec": {"names": {"shortNames": ["roll"]}}}
    patched = registry.patch(DEFINITION, Key("", "rollouts.argoproj.io"), change, PatchType.MERGE)
    assert patched["spec"]["names"]["shortNames"] == ["roll"]
    assert ROLLOUT in registry.store.kinds
    registry.create(ROLLOUT, "default", rollout())
    with pytest.raises(ApiError, match="meshsim serves this kind whether it is defined or not"):
        registry.delete(DEFINITION, Key("", "rollouts.argoproj.io"), DeleteOptions())


def test_a_defined_kind_is_served_with_defaults_checks_and_subresources(registry: Registry) -> None:
    kind = define(registry)
    created = registry.create(kind, "default", monitor())
    assert created["apiVersion"] == "example.com/v1"
    assert created["spec"]["size"] == 1
    registry.patch(kind, WEB, {"spec": {"replicas": 4}}, PatchType.MERGE, WriteOptions(subresource="scale"))
    assert registry.get(kind, WEB, "scale")["spec"] == {"replicas": 4}
    status = {"status": {"size": 3, "anything": ["goes"]}}
    registry.patch(kind, WEB, status, PatchType.MERGE, WriteOptions(subresource="status"))
    assert registry.get(kind, WEB, "scale")["status"]["replicas"] == 3
    assert registry.get(kind, WEB)["metadata"]["generation"] == 2


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (monitor(size=-1), "spec.size in body should be greater than or equal to 0"),
        (monitor(size="many"), "must be of type integer"),
        (monitor(colour="blue"), 'unknown field "spec.colour"'),
        ({"metadata": {"name": "web"}}, "spec: Required value"),
    ],
)
def test_an_object_that_does_not_fit_its_definition_is_refused(registry: Registry, body: Object, message: str) -> None:
    kind = define(registry)
    with pytest.raises(InvalidError, match=message):
        registry.create(kind, "default", body, WriteOptions(validation=FieldValidation.STRICT))


def test_people_see_the_columns_that_the_definition_names(registry: Registry) -> None:
    kind = define(registry)
    created = registry.create(kind, "default", monitor())
    ready = {**created, "status": {"conditions": [{"type": "Ready", "status": "True"}]}}
    assert [column.name for column in columns_of(kind)] == ["Name", "Port", "Ready", "Age"]
    assert [column.fill(ready, NOW + 60) for column in columns_of(kind)] == ["web", "http", "True", "60s"]


def test_openapi_describes_it_with_its_own_words(registry: Registry) -> None:
    body = definition()
    schema = body["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    schema["properties"]["spec"]["description"] = "What to watch."
    define(registry, body)
    document = OpenApi(registry.store.kinds).document("apis/example.com/v1")
    assert document is not None
    shown = read_json(document)["components"]["schemas"]["com.example.v1.Monitor"]
    assert shown["properties"]["spec"]["description"] == "What to watch."


def test_a_changed_definition_holds_from_now_on(registry: Registry) -> None:
    kind = define(registry)
    registry.create(kind, "default", monitor())
    body = definition()
    body["spec"]["versions"].append({**body["spec"]["versions"][0], "name": "v2", "storage": False})
    changed = registry.replace(DEFINITION, NAME, body)
    assert changed["status"]["storedVersions"] == ["v1"]
    newest = next(each for each in registry.store.kinds if each == kind)
    assert newest.versions == ("v2", "v1")
    assert registry.get(newest, WEB)["spec"]["size"] == 1


def test_what_is_no_longer_defined_is_gone_with_its_objects(registry: Registry) -> None:
    kind = define(registry)
    held = monitor()
    held["metadata"]["finalizers"] = ["example.com/held"]
    registry.create(kind, "default", held)
    registry.delete(DEFINITION, NAME, DeleteOptions())
    assert kind not in registry.store.kinds
    with pytest.raises(NotFoundError):
        registry.get(DEFINITION, NAME)
    again = define(registry)
    assert registry.select(again, Selection()) == []


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"group": "other.com"}, "metadata.name"),
        ({"scope": "Everywhere"}, "spec.scope"),
        ({"versions": []}, "spec.versions"),
        ({"versions": [{"name": "v1", "served": True, "storage": True}]}, "spec.versions[0].schema.openAPIV3Schema"),
        (
            {"versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {"type": 1}}}]},
            "spec.versions[0].schema.openAPIV3Schema.type",
        ),
    ],
)
def test_a_definition_that_makes_no_sense_names_its_field(registry: Registry, spec: Object, field: str) -> None:
    with pytest.raises(InvalidError) as caught:
        registry.create(DEFINITION, "", definition(**spec))
    assert field in [cause["field"] for cause in caught.value.status["details"]["causes"]]


def test_lists_that_are_none_count_as_empty(registry: Registry) -> None:
    body = definition()
    body["spec"]["names"] |= {"shortNames": 5, "categories": {"a": 1}}
    assert define(registry, body).short_names == ()
    nonsense = {"status": {"storedVersions": 5, "conditions": "x"}}
    registry.patch(DEFINITION, NAME, nonsense, PatchType.MERGE, WriteOptions(subresource="status"))
    changed = registry.patch(DEFINITION, NAME, {"spec": {"names": {"shortNames": ["mon"]}}}, PatchType.MERGE)
    assert changed["status"]["storedVersions"] == ["v1"]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (".a.b", 1),
        ("a.b", 1),
        (".c[1]", "y"),
        (".c[7]", None),
        ("['d.e']", 2),
        (".d\\.e", 2),
        ('.l[?(@.n=="x")].v', 3),
        ('.l[?(@.n=="z")].v', None),
        (".a.b.c", None),
    ],
)
def test_json_paths_find_what_is_there(path: str, value: object) -> None:
    obj = {"a": {"b": 1}, "c": ["x", "y"], "d.e": 2, "l": [{"n": "x", "v": 3}]}
    assert value_at(steps_of(path), obj) == value


def test_a_path_that_cannot_be_read_is_an_error() -> None:
    with pytest.raises(ValueError, match="no JSON path"):
        steps_of(".a[*].b")
