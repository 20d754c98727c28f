"""managedFields of those that create, update and patch: who owns what, and what is a conflict for who applies."""

import json
from typing import Any

import pytest

from meshsim.api.decode import Object
from meshsim.api.kinds import DEPLOYMENT, ROLLOUT
from meshsim.api.meta import Key
from meshsim.apiserver.registry import Registry, WriteOptions
from meshsim.apiserver.requests.query import manager
from meshsim.apiserver.writing.apply import Applying
from meshsim.apiserver.writing.managers import cut
from meshsim.client.api import ConflictError, PatchType
from tests.kits.manifests import pod_template, rollout

WEB = Key("default", "web")
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def deployment(image: str = "web:v1", **metadata: Any) -> Object:
    template = pod_template("web")
    template["spec"]["containers"][0]["image"] = image
    spec = {"replicas": 2, "selector": {"matchLabels": {"app": "web"}}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", **metadata}, "spec": spec}


def by(name: str, subresource: str = "") -> WriteOptions:
    return WriteOptions(manager=name, subresource=subresource)


def entries(obj: Object) -> dict[tuple[str, str, str], Object]:
    found = obj["metadata"].get("managedFields") or []
    return {(each["manager"], each["operation"], each.get("subresource", "")): each["fieldsV1"] for each in found}


def patch(registry: Registry, change: Object, options: WriteOptions) -> Object:
    return registry.patch(DEPLOYMENT, WEB, change, PatchType.STRATEGIC, options)


def apply(registry: Registry, body: Object, name: str, *, force: bool = False) -> Object:
    return registry.apply(DEPLOYMENT, WEB, body, Applying(name, force, "", 0.0))


def test_who_creates_owns_everything_defaults_too(registry: Registry) -> None:
    created = registry.create(DEPLOYMENT, "default", deployment(labels={"a": "b"}), by("kubectl-create"))
    fields = entries(created)["kubectl-create", "Update", ""]
    assert fields["f:metadata"] == {"f:labels": {".": {}, "f:a": {}}}
    assert fields["f:spec"]["f:progressDeadlineSeconds"] == {}
    assert fields["f:spec"]["f:selector"] == {}
    container = fields["f:spec"]["f:template"]["f:spec"]["f:containers"]['k:{"name":"web"}']
    assert {".", "f:name", "f:image"} <= container.keys()


def test_who_changes_a_field_takes_it_over(registry: Registry) -> None:
    registry.create(DEPLOYMENT, "default", deployment(), by("kubectl-create"))
    edited = patch(registry, {"spec": {"replicas": 5}}, by("kubectl-edit"))
    found = entries(edited)
    assert found["kubectl-edit", "Update", ""] == {"f:spec": {"f:replicas": {}}}
    assert "f:replicas" not in found["kubectl-create", "Update", ""]["f:spec"]


def test_what_is_taken_away_is_nobodys(registry: Registry) -> None:
    registry.create(DEPLOYMENT, "default", deployment(labels={"a": "b", "c": "d"}), by("one"))
    patched = patch(registry, {"metadata": {"labels": {"a": None}}}, by("other"))
    assert "f:a" not in entries(patched)["one", "Update", ""]["f:metadata"]["f:labels"]
    assert ("other", "Update", "") not in entries(patched)


def test_the_parts_of_an_object_have_managers_of_their_own(registry: Registry) -> None:
    registry.create(DEPLOYMENT, "default", deployment(), by("one"))
    registry.patch(DEPLOYMENT, WEB, {"spec": {"replicas": 7}}, PatchType.MERGE, by("one", "scale"))
    status = {"status": {"replicas": 7}}
    patched = registry.patch(DEPLOYMENT, WEB, status, PatchType.MERGE, by("one", "status"))
    found = entries(patched)
    assert found["one", "Update", "scale"] == {"f:spec": {"f:replicas": {}}}
    assert found["one", "Update", "status"]["f:status"]["f:replicas"] == {}
    assert "f:status" not in found["one", "Update", ""]


def test_a_write_that_changes_nothing_is_none(registry: Registry) -> None:
    created = registry.create(DEPLOYMENT, "default", deployment(), by("one"))
    again = patch(registry, {"spec": {"replicas": 2}}, by("other"))
    assert again == created


def test_what_somebody_edited_is_a_conflict_for_who_applies_something_else(registry: Registry) -> None:
    apply(registry, deployment(), "kubectl")
    patch(registry, {"spec": {"replicas": 5}}, by("kubectl-edit"))
    with pytest.raises(ConflictError) as caught:
        apply(registry, deployment(), "kubectl")
    assert str(caught.value) == (
        'Apply failed with 1 conflict: conflict with "kubectl-edit" using apps/v1: .spec.replicas'
    )
    assert caught.value.status["details"] == {
        "causes": [
            {
                "reason": "FieldManagerConflict",
                "message": 'conflict with "kubectl-edit" using apps/v1',
                "field": ".spec.replicas",
            }
        ]
    }
    forced = apply(registry, deployment(), "kubectl", force=True)
    assert forced["spec"]["replicas"] == 2
    assert ("kubectl-edit", "Update", "") not in entries(forced)


def test_several_conflicts_are_listed_by_manager(registry: Registry) -> None:
    apply(registry, deployment(), "one")
    patch(registry, {"spec": {"replicas": 5, "paused": True}}, by("two"))
    body = deployment("web:v9")
    body["spec"]["paused"] = False
    with pytest.raises(ConflictError) as caught:
        apply(registry, body, "three")
    assert str(caught.value).splitlines() == [
        'Apply failed with 3 conflicts: conflicts with "one":',
        '- .spec.template.spec.containers[name="web"].image',
        'conflicts with "two" using apps/v1:',
        "- .spec.replicas",
        "- .spec.paused",
    ]


def test_what_kubectl_applied_from_its_own_side_is_its_own_to_apply(registry: Registry) -> None:
    before = json.dumps(deployment())
    created = registry.create(
        DEPLOYMENT, "default", deployment(annotations={LAST_APPLIED: before}), by("kubectl-client-side-apply")
    )
    with pytest.raises(ConflictError, match="kubectl-client-side-apply"):
        apply(registry, deployment("web:v2"), "somebody")
    applied = apply(registry, deployment("web:v2"), "kubectl")
    assert applied["spec"]["template"]["spec"]["containers"][0]["image"] == "web:v2"
    assert created["metadata"]["uid"] == applied["metadata"]["uid"]


def test_a_writer_may_say_who_manages_what(registry: Registry) -> None:
    created = registry.create(DEPLOYMENT, "default", deployment(), by("kubectl-client-side-apply"))
    [entry] = created["metadata"]["managedFields"]
    upgraded = [{"op": "replace", "path": "/metadata/managedFields", "value": [{**entry, "manager": "kubectl"}]}]
    patched = registry.patch(DEPLOYMENT, WEB, upgraded, PatchType.JSON, by("kubectl"))
    assert [who for who, _, _ in entries(patched)] == ["kubectl"]


@pytest.mark.parametrize(
    "said",
    [
        [{"fieldsV1": 5}],
        ["x"],
        [{"manager": "a", "operation": "Update", "apiVersion": "apps/v1", "fieldsV1": {"k:nonsense": {}}}],
        [{"manager": "a", "operation": "Update", "apiVersion": "apps/v1", "fieldsV1": {"f:spec": 1}}],
    ],
)
def test_what_makes_no_sense_of_managers_is_not_listened_to(registry: Registry, said: Any) -> None:
    registry.create(ROLLOUT, "default", rollout(), by("one"))
    change = {"metadata": {"managedFields": said}, "spec": {"replicas": 9}}
    patched = registry.patch(ROLLOUT, WEB, change, PatchType.MERGE, by("two"))
    assert [who for who, _, _ in entries(patched)] == ["one", "two"]


def test_managers_can_be_forgotten(registry: Registry) -> None:
    registry.create(ROLLOUT, "default", rollout(), by("one"))
    change: Object = {"metadata": {"managedFields": [{}]}}
    patched = registry.patch(ROLLOUT, WEB, change, PatchType.MERGE, by("two"))
    assert entries(patched) == {}


def test_of_very_many_writers_the_oldest_become_one(registry: Registry) -> None:
    patched = registry.create(DEPLOYMENT, "default", deployment(), by("w0"))
    for number in range(1, 15):
        patched = patch(registry, {"metadata": {"labels": {f"l{number}": "x"}}}, by(f"w{number}"))
    found = entries(patched)
    assert len(found) == 10
    assert ("ancient-changes", "Update", "") in found


def test_lists_of_a_custom_resource_belong_to_who_wrote_them(registry: Registry) -> None:
    body = rollout()
    body["spec"]["strategy"] = {"canary": {"steps": [{"setWeight": 10}]}}
    registry.create(ROLLOUT, "default", body, by("one"))
    change = {"spec": {"strategy": {"canary": {"steps": [{"setWeight": 20}]}}}}
    patched = registry.patch(ROLLOUT, WEB, change, PatchType.MERGE, by("two"))
    fields = entries(patched)["two", "Update", ""]
    assert fields == {"f:spec": {"f:strategy": {"f:canary": {"f:steps": {}}}}}


def test_internal_writers_leave_no_trace(registry: Registry) -> None:
    assert "managedFields" not in registry.create(DEPLOYMENT, "default", deployment())["metadata"]


def test_the_manager_is_the_named_one_or_else_the_program() -> None:
    assert manager({"fieldManager": "me"}, "curl/8") == "me"
    assert manager({}, "kubectl/v1.32.0 (linux/amd64)") == "kubectl"
    assert manager({}, "") == "unknown"
    assert len(manager({"fieldManager": "x" * 500}, "")) == 128


def test_a_branch_that_is_gone_takes_its_parts_along() -> None:
    assert cut({"f:a": {".": {}, "f:b": {}}, "f:c": {}}, {"f:a": {}}) == {"f:c": {}}
    assert cut({"f:a": {"f:b": {}}}, {"f:a": {"f:b": {}}}) == {}
