from typing import Any

import pytest

from meshsim.api.decode import Object
from meshsim.api.kinds import ROLLOUT, SERVICE
from meshsim.api.meta import Key
from meshsim.apiserver.kinds.messages import schema_of_message
from meshsim.apiserver.registry import Registry, WriteOptions
from meshsim.apiserver.writing.apply import Applying
from meshsim.apiserver.writing.fieldsets import (
    FieldSet,
    difference,
    fields_of,
    leaves,
    readable,
    union,
    value_at,
    without,
)
from meshsim.client.api import ConflictError, NotFoundError, PatchType
from tests.kits.manifests import rollout, service

WEB = Key("default", "web")


def apply(registry: Registry, body: Object, manager: str = "kubectl", *, force: bool = False) -> Object:
    kind = SERVICE if body["kind"] == "Service" else ROLLOUT
    return registry.apply(kind, WEB, body, Applying(manager, force, "", 0.0))


def partly(**spec: Any) -> Object:
    return {"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "metadata": {"name": "web"}, "spec": spec}


def test_what_is_not_there_is_created(registry: Registry) -> None:
    created = apply(registry, rollout())
    assert created["metadata"]["generation"] == 1
    [entry] = created["metadata"]["managedFields"]
    assert (entry["manager"], entry["operation"], entry["fieldsType"]) == ("kubectl", "Apply", "FieldsV1")
    assert "f:replicas" in entry["fieldsV1"]["f:spec"]
    assert "f:metadata" not in entry["fieldsV1"], "nobody manages a name"


def test_applying_the_same_again_changes_nothing(registry: Registry) -> None:
    before = apply(registry, rollout())
    version = registry.store.version
    assert apply(registry, rollout()) == before
    assert registry.store.version == version


def test_what_its_manager_no_longer_wants_goes_and_what_others_set_stays(registry: Registry) -> None:
    apply(registry, rollout(labels={"a": "1", "b": "2"}))
    registry.patch(ROLLOUT, WEB, {"metadata": {"labels": {"c": "3"}}, "spec": {"paused": True}}, PatchType.MERGE)
    after = apply(registry, rollout(labels={"a": "1"}))
    assert after["metadata"]["labels"] == {"a": "1", "c": "3"}
    assert after["spec"]["paused"] is True


def test_a_field_of_another_manager_is_a_conflict_that_names_it(registry: Registry) -> None:
    apply(registry, rollout(replicas=3))
    with pytest.raises(
        ConflictError, match=r'Apply failed with 1 conflict: conflict with "kubectl": \.spec\.replicas'
    ) as caught:
        apply(registry, partly(replicas=9), "autoscaler")
    [cause] = caught.value.status["details"]["causes"]
    assert cause == {"reason": "FieldManagerConflict", "message": 'conflict with "kubectl"', "field": ".spec.replicas"}
    assert registry.get(ROLLOUT, WEB)["spec"]["replicas"] == 3


def test_force_takes_the_field_and_its_ownership(registry: Registry) -> None:
    apply(registry, rollout(replicas=3))
    after = apply(registry, partly(replicas=9), "autoscaler", force=True)
    assert after["spec"]["replicas"] == 9
    with pytest.raises(ConflictError):
        apply(registry, rollout(replicas=3))


def test_two_managers_may_want_the_same(registry: Registry) -> None:
    apply(registry, rollout(replicas=3))
    apply(registry, partly(replicas=3), "autoscaler")
    without_replicas = rollout()
    del without_replicas["spec"]["replicas"]
    assert apply(registry, without_replicas)["spec"]["replicas"] == 3, "the other one still wants it"


def test_items_of_a_list_are_told_apart_by_their_keys(registry: Registry) -> None:
    apply(registry, service())
    other = service()
    other["spec"] = {"ports": [{"name": "admin", "port": 9090, "protocol": "TCP", "targetPort": 9090}]}
    after = apply(registry, other, "operator")
    assert [port["port"] for port in after["spec"]["ports"]] == [80, 9090]
    other["spec"] = {"ports": []}
    assert [port["port"] for port in apply(registry, other, "operator")["spec"]["ports"]] == [80]


def test_a_dry_run_of_an_apply_stores_nothing(registry: Registry) -> None:
    applying = Applying("kubectl", force=False, subresource="", now=0.0)
    registry.apply(ROLLOUT, WEB, rollout(), applying, WriteOptions(dry_run=True))
    assert registry.store.get(ROLLOUT, WEB) is None


def test_the_status_of_what_is_not_there_cannot_be_applied(registry: Registry) -> None:
    applying = Applying("kubectl", force=False, subresource="status", now=0.0)
    with pytest.raises(NotFoundError):
        registry.apply(ROLLOUT, WEB, partly(), applying, WriteOptions(subresource="status"))


def test_no_other_write_changes_who_manages_what(registry: Registry) -> None:
    managed = apply(registry, rollout())["metadata"]["managedFields"]
    forged = {"metadata": {"managedFields": [{"manager": "eve"}]}, "spec": {"replicas": 5}}
    assert registry.patch(ROLLOUT, WEB, forged, PatchType.MERGE)["metadata"]["managedFields"] == managed


def test_a_set_of_fields_is_a_tree_with_items_named_by_key() -> None:
    spec = {"containers": [{"name": "web", "image": "v1", "args": ["a"]}]}
    fields = fields_of(spec, schema_of_message("core.PodSpec"))
    fields |= fields_of({"finalizers": ["x"]}, schema_of_message("meta.ObjectMeta"))
    value = {**spec, "finalizers": ["x"]}
    item: FieldSet = {".": {}, "f:name": {}, "f:image": {}, "f:args": {}}
    assert fields == {"f:containers": {'k:{"name":"web"}': item}, "f:finalizers": {'v:"x"': {}}}
    paths = [readable(path) for path in leaves(fields)]
    assert paths == [
        '.containers[name="web"].name',
        '.containers[name="web"].image',
        '.containers[name="web"].args',
        '.finalizers[="x"]',
    ]
    assert [value_at(value, path) for path in leaves(fields)] == ["web", "v1", ["a"], "x"]


def test_sets_of_fields_add_up_and_are_taken_from_each_other() -> None:
    one: FieldSet = {"f:a": {"f:b": {}, "f:c": {}}}
    other: FieldSet = {"f:a": {"f:c": {}, "f:d": {}}}
    assert union(one, other) == {"f:a": {"f:b": {}, "f:c": {}, "f:d": {}}}
    assert difference(one, other) == {"f:a": {"f:b": {}}}
    assert without({"a": {"b": 1, "c": 2, "x": 3}}, one) == {"a": {"x": 3}}


def test_taking_out_an_items_fields_leaves_the_item_unless_it_is_meant_itself() -> None:
    value = {"containers": [{"name": "web", "image": "v1"}, {"name": "log"}]}
    name = 'k:{"name":"web"}'
    assert without(value, {"f:containers": {name: {"f:image": {}}}})["containers"][0] == {"name": "web"}
    assert without(value, {"f:containers": {name: {".": {}, "f:image": {}}}}) == {"containers": [{"name": "log"}]}
