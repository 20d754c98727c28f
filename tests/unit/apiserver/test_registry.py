from typing import Any

import pytest

from meshsim.api.decode import Object, write_json
from meshsim.api.kinds import (
    ANALYSIS_RUN,
    CONFIG_MAP,
    NAMESPACE,
    POD,
    REPLICA_SET,
    ROLLOUT,
    SECRET,
    SERVICE,
    VIRTUAL_SERVICE,
)
from meshsim.api.meta import Key
from meshsim.apiserver.registry import Registry, WriteOptions
from meshsim.apiserver.storage.selection import Selection
from meshsim.apiserver.writing.deletion import DeleteOptions
from meshsim.client.api import AlreadyExistsError, ApiError, ConflictError, InvalidError, NotFoundError, PatchType
from tests.kits.manifests import config_map, pod, replica_set, rollout, service, virtual_service

WEB = Key("default", "web")
PLAIN = WriteOptions()
STATUS = WriteOptions(subresource="status")


def test_a_new_object_gets_what_the_server_gives(registry: Registry) -> None:
    body = rollout(
        uid="mine", creationTimestamp="2000-01-01T00:00:00Z", generation=7, deletionTimestamp="2000-01-01T00:00:00Z"
    )
    metadata = registry.create(ROLLOUT, "default", body)["metadata"]
    assert metadata["creationTimestamp"] == "2026-01-01T00:00:00Z"
    assert metadata["uid"] not in ("", "mine")
    assert metadata["generation"] == 1
    assert int(metadata["resourceVersion"]) == registry.store.version
    assert "deletionTimestamp" not in metadata


def test_fields_nobody_knows_are_left_out(registry: Registry) -> None:
    body = rollout()
    body["spec"]["futureField"] = {"deep": [1, {"x": None}]}
    body["extra"] = "kept"
    stored = registry.create(ROLLOUT, "default", body)
    assert not {"futureField"} & stored["spec"].keys()
    assert "extra" not in stored


def test_a_generated_name_is_its_base_and_five_characters(registry: Registry) -> None:
    body = config_map(name="", generateName="settings-")
    names = {
        registry.create(CONFIG_MAP, "default", dict(body, metadata=dict(body["metadata"])))["metadata"]["name"]
        for _ in range(3)
    }
    assert len(names) == 3
    assert all(name.startswith("settings-") and len(name) == len("settings-") + 5 for name in names)


def test_two_objects_of_a_kind_cannot_have_one_name(registry: Registry) -> None:
    registry.create(CONFIG_MAP, "default", config_map())
    with pytest.raises(AlreadyExistsError, match='configmaps "settings" already exists'):
        registry.create(CONFIG_MAP, "default", config_map())


def test_what_is_missing_is_named_as_kubernetes_names_it(registry: Registry) -> None:
    with pytest.raises(NotFoundError) as caught:
        registry.get(ROLLOUT, WEB)
    assert caught.value.status == {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": 'rollouts.argoproj.io "web" not found',
        "reason": "NotFound",
        "code": 404,
        "details": {"name": "web", "group": "argoproj.io", "kind": "rollouts"},
    }


def test_the_default_namespace_exists_and_others_must_be_made_first(registry: Registry) -> None:
    with pytest.raises(NotFoundError, match='namespaces "shop" not found'):
        registry.create(CONFIG_MAP, "shop", config_map(namespace="shop"))
    namespace = registry.create(NAMESPACE, "", {"metadata": {"name": "shop"}})
    assert namespace["status"] == {"phase": "Active"}
    assert namespace["metadata"]["labels"] == {"kubernetes.io/metadata.name": "shop"}
    assert registry.create(CONFIG_MAP, "shop", config_map(namespace="shop"))["metadata"]["namespace"] == "shop"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ([], "not an object"),
        ({"apiVersion": "v2", "metadata": {}}, "does not match the expected API version"),
        ({"kind": "Pod", "metadata": {}}, "does not match the expected kind"),
        ({"metadata": []}, "metadata: an object was expected"),
        ({"metadata": {"name": "a"}, "spec": "x"}, "spec: an object was expected"),
        ({"metadata": {"name": "a", "labels": {"a": 1}}}, "metadata.labels"),
        ({"metadata": {"name": 1}}, "metadata.name"),
        ({"metadata": {"name": "a", "resourceVersion": "5"}}, "resourceVersion should not be set"),
        ({"metadata": {"name": "a", "namespace": "other"}}, "namespace of the provided object does not match"),
        ({"metadata": {}}, "name or generateName is required"),
        ({"metadata": {"name": "Not_A_Name"}}, "metadata.name"),
        ({"metadata": {"name": "a", "labels": {"a b": "c"}}}, "name part must consist of alphanumeric characters"),
        ({"metadata": {"name": "a", "labels": {"a": "-c-"}}}, "metadata.labels"),
        ({"metadata": {"name": "a", "ownerReferences": [{"kind": "Rollout"}]}}, "ownerReferences.*uid"),
    ],
)
def test_a_body_that_is_no_such_object_is_refused(registry: Registry, body: Any, message: str) -> None:
    with pytest.raises(InvalidError, match=message):
        registry.create(CONFIG_MAP, "default", body)


def test_a_write_based_on_an_old_version_is_a_conflict(registry: Registry) -> None:
    old = registry.create(ROLLOUT, "default", rollout())
    registry.patch(ROLLOUT, WEB, {"spec": {"replicas": 5}}, PatchType.MERGE)
    message = 'on rollouts.argoproj.io "web": the object has been modified; please apply your changes'
    with pytest.raises(ConflictError, match=message):
        registry.replace(ROLLOUT, WEB, old | {"spec": {"replicas": 6}})
    with pytest.raises(ConflictError):
        registry.patch(ROLLOUT, WEB, {"metadata": {"resourceVersion": "1"}, "spec": {"replicas": 6}}, PatchType.MERGE)
    assert registry.get(ROLLOUT, WEB)["spec"]["replicas"] == 5


def test_a_write_meant_for_an_earlier_object_of_the_name_is_a_conflict(registry: Registry) -> None:
    registry.create(ROLLOUT, "default", rollout())
    with pytest.raises(ConflictError, match="Precondition failed: UID"):
        registry.replace(ROLLOUT, WEB, rollout(uid="another"))


def test_a_write_that_changes_nothing_is_no_event(registry: Registry) -> None:
    before = registry.create(ROLLOUT, "default", rollout())
    version = registry.store.version
    assert registry.patch(ROLLOUT, WEB, {"spec": {"replicas": 3}}, PatchType.MERGE) == before
    assert registry.replace(ROLLOUT, WEB, rollout()) == before
    assert registry.store.version == version


def test_a_dry_run_answers_and_stores_nothing(registry: Registry) -> None:
    trying = WriteOptions(dry_run=True)
    assert registry.create(ROLLOUT, "default", rollout(), trying)["metadata"]["uid"]
    assert registry.store.get(ROLLOUT, WEB) is None
    registry.create(ROLLOUT, "default", rollout())
    version = registry.store.version
    assert registry.patch(ROLLOUT, WEB, {"spec": {"replicas": 9}}, PatchType.MERGE, trying)["spec"]["replicas"] == 9
    registry.delete(ROLLOUT, WEB, DeleteOptions(), dry_run=True)
    assert registry.store.version == version


def test_the_generation_rises_with_the_spec_and_not_with_the_rest(registry: Registry) -> None:
    def generation(patch: Object, options: WriteOptions = PLAIN) -> int:
        generation: int = registry.patch(ROLLOUT, WEB, patch, PatchType.MERGE, options)["metadata"]["generation"]
        return generation

    registry.create(ROLLOUT, "default", rollout())
    assert generation({"metadata": {"labels": {"a": "b"}}}) == 1
    assert generation({"status": {"phase": "Healthy"}}, STATUS) == 1
    assert generation({"spec": {"replicas": 4}}) == 2
    assert generation({"metadata": {"generation": 99}, "spec": {"replicas": 5}}) == 3


def test_a_generation_counts_the_status_where_that_is_no_subresource(registry: Registry) -> None:
    registry.create(ANALYSIS_RUN, "default", {"metadata": {"name": "run"}, "spec": {"metrics": []}})
    changed = registry.patch(ANALYSIS_RUN, Key("default", "run"), {"status": {"phase": "Running"}}, PatchType.MERGE)
    assert changed["metadata"]["generation"] == 2
    assert changed["status"] == {"phase": "Running"}


def test_status_and_the_rest_are_written_apart(registry: Registry) -> None:
    created = registry.create(ROLLOUT, "default", rollout() | {"status": {"phase": "Forged"}})
    assert "status" not in created
    both = {"metadata": {"labels": {"a": "b"}}, "spec": {"replicas": 9}, "status": {"phase": "Healthy"}}
    after = registry.patch(ROLLOUT, WEB, both, PatchType.MERGE, STATUS)
    assert (after["spec"]["replicas"], after["status"]) == (3, {"phase": "Healthy"})
    assert "labels" not in after["metadata"]
    after = registry.replace(ROLLOUT, WEB, rollout(replicas=9) | {"status": {"phase": "Forged"}})
    assert (after["spec"]["replicas"], after["status"]) == (9, {"phase": "Healthy"})


def test_a_subresource_that_a_kind_has_not_is_not_found(registry: Registry) -> None:
    registry.create(CONFIG_MAP, "default", config_map())
    for subresource in ("status", "scale", "other"):
        with pytest.raises(NotFoundError):
            registry.get(CONFIG_MAP, Key("default", "settings"), subresource)


def test_scale_reads_and_writes_the_replicas_alone(registry: Registry) -> None:
    registry.create(REPLICA_SET, "default", replica_set())
    key = Key("default", "web-1")
    registry.patch(REPLICA_SET, key, {"status": {"replicas": 1}}, PatchType.MERGE, STATUS)
    scale = registry.get(REPLICA_SET, key, "scale")
    assert (scale["kind"], scale["apiVersion"]) == ("Scale", "autoscaling/v1")
    assert scale["spec"] == {"replicas": 1}
    assert scale["status"] == {"replicas": 1, "selector": "app=web"}
    answer = registry.patch(
        REPLICA_SET, key, {"spec": {"replicas": 4}}, PatchType.MERGE, WriteOptions(subresource="scale")
    )
    assert answer["spec"] == {"replicas": 4}
    scaled = registry.get(REPLICA_SET, key)
    assert (scaled["spec"]["replicas"], scaled["metadata"]["generation"]) == (4, 2)


def test_the_scale_of_a_rollout_tells_what_its_controller_reports(registry: Registry) -> None:
    registry.create(ROLLOUT, "default", rollout())
    registry.patch(ROLLOUT, WEB, {"status": {"HPAReplicas": 2, "selector": "app=web"}}, PatchType.MERGE, STATUS)
    assert registry.get(ROLLOUT, WEB, "scale")["status"] == {"replicas": 2, "selector": "app=web"}


@pytest.mark.parametrize("replicas", [-1, "3", 1.5, True])
def test_a_scale_is_a_count(registry: Registry, replicas: Any) -> None:
    registry.create(ROLLOUT, "default", rollout())
    with pytest.raises(InvalidError):
        registry.replace(ROLLOUT, WEB, {"spec": {"replicas": replicas}}, WriteOptions(subresource="scale"))


def test_strategic_patches_are_for_kubernetes_own_kinds(registry: Registry) -> None:
    registry.create(SERVICE, "default", service())
    registry.create(ROLLOUT, "default", rollout())
    patch = {"spec": {"selector": {"rollouts-pod-template-hash": "abc"}}}
    patched = registry.patch(SERVICE, WEB, patch, PatchType.STRATEGIC)
    assert patched["spec"]["selector"] == {"app": "web", "rollouts-pod-template-hash": "abc"}
    with pytest.raises(ApiError) as caught:
        registry.patch(ROLLOUT, WEB, patch, PatchType.STRATEGIC)
    assert (caught.value.code, caught.value.reason) == (415, "UnsupportedMediaType")


def test_a_patch_may_not_rename(registry: Registry) -> None:
    registry.create(CONFIG_MAP, "default", config_map())
    with pytest.raises(InvalidError, match="does not match the name on the URL"):
        registry.patch(CONFIG_MAP, Key("default", "settings"), {"metadata": {"name": "b"}}, PatchType.MERGE)


def test_the_selector_of_a_replica_set_is_required_fits_its_template_and_never_changes(registry: Registry) -> None:
    body = replica_set()
    del body["spec"]["selector"]
    with pytest.raises(InvalidError, match=r"spec\.selector: Required value"):
        registry.create(REPLICA_SET, "default", body)
    body = replica_set()
    body["spec"]["selector"] = {"matchLabels": {"app": "other"}}
    with pytest.raises(InvalidError, match="`selector` does not match template `labels`"):
        registry.create(REPLICA_SET, "default", body)
    registry.create(REPLICA_SET, "default", replica_set())
    with pytest.raises(InvalidError, match="field is immutable"):
        registry.patch(
            REPLICA_SET, Key("default", "web-1"), {"spec": {"selector": {"matchLabels": {"b": "c"}}}}, PatchType.MERGE
        )


def test_an_object_is_stored_once_whatever_version_it_is_written_in(registry: Registry) -> None:
    body = virtual_service() | {"apiVersion": "networking.istio.io/v1alpha3"}
    created = registry.create(VIRTUAL_SERVICE, "default", body, WriteOptions("v1alpha3"))
    assert created["apiVersion"] == "networking.istio.io/v1"
    patch = {"spec": {"hosts": ["web", "other"]}}
    patched = registry.patch(VIRTUAL_SERVICE, WEB, patch, PatchType.MERGE, WriteOptions("v1beta1"))
    assert patched["spec"]["hosts"] == ["web", "other"]


def test_a_pod_template_gets_kubernetes_defaults(registry: Registry) -> None:
    spec = registry.create(REPLICA_SET, "default", replica_set())["spec"]["template"]["spec"]
    container = spec.pop("containers")[0]
    assert spec == {
        "restartPolicy": "Always",
        "terminationGracePeriodSeconds": 30,
        "dnsPolicy": "ClusterFirst",
        "securityContext": {},
        "schedulerName": "default-scheduler",
    }
    assert container == {
        "name": "web",
        "image": "web:v1",
        "ports": [{"containerPort": 8080, "protocol": "TCP"}],
        "imagePullPolicy": "IfNotPresent",
        "resources": {},
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "File",
    }


def test_a_rollouts_template_gets_only_what_its_crd_defaults(registry: Registry) -> None:
    spec = registry.create(ROLLOUT, "default", rollout())["spec"]["template"]["spec"]
    ports = [{"containerPort": 8080, "protocol": "TCP"}]
    assert spec == {"containers": [{"name": "web", "image": "web:v1", "ports": ports}]}


def test_a_pod_starts_pending_whatever_it_says(registry: Registry) -> None:
    body = pod() | {"status": {"phase": "Running"}}
    assert registry.create(POD, "default", body)["status"] == {"phase": "Pending", "qosClass": "BestEffort"}


def test_a_service_gets_an_address_that_it_keeps(registry: Registry) -> None:
    spec = registry.create(SERVICE, "default", service())["spec"]
    assert spec["clusterIP"].startswith("10.96.")
    assert spec["clusterIPs"] == [spec["clusterIP"]]
    assert spec["ports"] == [{"name": "http", "port": 80, "targetPort": 8080, "protocol": "TCP"}]
    changed = registry.replace(SERVICE, WEB, service(labels={"a": "b"}))
    assert changed["spec"] == spec


def test_a_secret_in_plain_text_is_stored_in_base64(registry: Registry) -> None:
    body = {"metadata": {"name": "token"}, "stringData": {"a": "hello"}, "data": {"b": "aGk="}}
    secret = registry.create(SECRET, "default", body)
    assert secret["data"] == {"a": "aGVsbG8=", "b": "aGk="}
    assert secret["type"] == "Opaque"
    assert "stringData" not in secret


def test_a_list_is_of_its_namespace(registry: Registry) -> None:
    registry.create(CONFIG_MAP, "default", config_map())
    registry.create(CONFIG_MAP, "kube-system", config_map(namespace="kube-system"))
    assert len(registry.select(CONFIG_MAP, Selection())) == 2
    assert len(registry.select(CONFIG_MAP, Selection("default"))) == 1


def test_an_object_cannot_be_patched_into_something_huge(registry: Registry) -> None:
    registry.create(CONFIG_MAP, "default", config_map())
    key = Key("default", "settings")
    for number in range(3):
        registry.patch(CONFIG_MAP, key, {"data": {str(number): "x" * 900_000}}, PatchType.MERGE)
    with pytest.raises(ApiError) as caught:
        registry.patch(CONFIG_MAP, key, {"data": {"more": "x" * 900_000}}, PatchType.MERGE)
    assert caught.value.code == 413


@pytest.mark.parametrize("how", [PatchType.MERGE, PatchType.JSON])
def test_a_patch_of_the_status_changes_nothing_else_and_nothing_that_was_read_before(
    registry: Registry, how: PatchType
) -> None:
    registry.create(ROLLOUT, "default", rollout())
    status = {"pauseConditions": [{"reason": "BlueGreenPause", "startTime": "2026-01-01T00:00:00Z"}], "HPAReplicas": 1}
    before = registry.patch(ROLLOUT, WEB, {"status": status}, PatchType.MERGE, STATUS)
    noted = write_json(before)
    merge = {"status": {"HPAReplicas": 2}, "spec": {"replicas": 9}, "metadata": {"labels": {"a": "b"}}}
    operations = [
        {"op": "replace", "path": "/status/HPAReplicas", "value": 2},
        {"op": "replace", "path": "/spec/replicas", "value": 9},
    ]
    after = registry.patch(ROLLOUT, WEB, merge if how is PatchType.MERGE else operations, how, STATUS)
    assert after["status"] == {**status, "HPAReplicas": 2}
    assert after["spec"] == before["spec"]
    assert "labels" not in after["metadata"]
    assert write_json(before) == noted


@pytest.mark.parametrize("patch", [{"metadata": "none"}, {"spec": 1}, {"status": []}])
def test_a_patch_of_the_status_to_something_that_is_no_object_is_refused(registry: Registry, patch: Object) -> None:
    registry.create(ROLLOUT, "default", rollout())
    with pytest.raises(ApiError, match="an object was expected"):
        registry.patch(ROLLOUT, WEB, patch, PatchType.MERGE, STATUS)


def test_what_is_as_it_was_is_not_judged_again(registry: Registry) -> None:
    stored = registry.create(ROLLOUT, "default", rollout())
    registry.store.put(ROLLOUT, {**stored, "spec": {**stored["spec"], "replicas": "some"}})
    labelled = registry.patch(ROLLOUT, WEB, {"metadata": {"labels": {"a": "b"}}}, PatchType.MERGE)
    assert labelled["metadata"]["labels"] == {"a": "b"}
    with pytest.raises(InvalidError, match=r"spec\.replicas"):
        registry.patch(ROLLOUT, WEB, {"spec": {"minReadySeconds": 1}}, PatchType.MERGE)


def test_a_number_that_becomes_a_truth_value_is_judged(registry: Registry) -> None:
    registry.create(ROLLOUT, "default", rollout())
    patch = {"metadata": {"labels": {"a": "b"}}, "spec": {"replicas": 1}}
    registry.patch(ROLLOUT, WEB, patch, PatchType.MERGE)
    with pytest.raises(InvalidError, match=r"spec\.replicas"):
        registry.patch(ROLLOUT, WEB, {"metadata": {"labels": {"a": "c"}}, "spec": {"replicas": True}}, PatchType.MERGE)
