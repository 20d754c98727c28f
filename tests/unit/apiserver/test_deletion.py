from typing import Any

import pytest

from meshsim.api.decode import Object
from meshsim.api.kinds import CONFIG_MAP, NAMESPACE, POD, REPLICA_SET, ROLLOUT
from meshsim.api.meta import Key
from meshsim.apiserver.registry import Registry
from meshsim.apiserver.writing.deletion import DeleteOptions
from meshsim.client.api import ApiError, ConflictError, InvalidError, NotFoundError, PatchType
from tests.kits.manifests import config_map, owned_by, pod, replica_set, rollout

WEB = Key("default", "web")
RS = Key("default", "web-1")
A_POD = Key("default", "web-1-a")
NOW_AND_30_S = "2026-01-01T00:00:30Z"


@pytest.fixture
def family(registry: Registry) -> Registry:
    """A rollout that owns a ReplicaSet that owns a pod."""
    owner = registry.create(ROLLOUT, "default", rollout())
    owned = registry.create(REPLICA_SET, "default", replica_set(owner=owner))
    registry.create(POD, "default", pod(owner=owned))
    return registry


def metadata_of(registry: Registry, kind: Any, key: Key) -> Object:
    metadata: Object = registry.get(kind, key)["metadata"]
    return metadata


def test_what_nothing_holds_is_gone_at_once(registry: Registry) -> None:
    registry.create(CONFIG_MAP, "default", config_map())
    registry.delete(CONFIG_MAP, Key("default", "settings"), DeleteOptions())
    with pytest.raises(NotFoundError):
        registry.get(CONFIG_MAP, Key("default", "settings"))


@pytest.mark.parametrize("options", [DeleteOptions(uid="another"), DeleteOptions(version="1")])
def test_a_deletion_of_another_object_is_a_conflict(registry: Registry, options: DeleteOptions) -> None:
    registry.create(CONFIG_MAP, "default", config_map())
    with pytest.raises(ConflictError, match="Precondition failed"):
        registry.delete(CONFIG_MAP, Key("default", "settings"), options)


def test_a_pod_is_told_to_end_and_goes_when_its_node_says_so(registry: Registry) -> None:
    registry.create(POD, "default", pod())
    registry.delete(POD, A_POD, DeleteOptions())
    metadata = metadata_of(registry, POD, A_POD)
    assert (metadata["deletionTimestamp"], metadata["deletionGracePeriodSeconds"]) == (NOW_AND_30_S, 30)
    registry.patch(POD, A_POD, {"metadata": {"labels": {"still": "here"}}}, PatchType.MERGE)
    registry.delete(POD, A_POD, DeleteOptions(grace_s=0))
    assert registry.store.get(POD, A_POD) is None


def test_a_second_deletion_only_brings_a_pods_end_nearer(registry: Registry) -> None:
    registry.create(POD, "default", pod())
    for grace_s, expected in ((20, 20), (25, 20), (None, 20), (5, 5)):
        registry.delete(POD, A_POD, DeleteOptions(grace_s=grace_s))
        assert metadata_of(registry, POD, A_POD)["deletionGracePeriodSeconds"] == expected


def test_a_pod_that_no_node_has_taken_is_gone_at_once(registry: Registry) -> None:
    body = pod()
    del body["spec"]["nodeName"]
    registry.create(POD, "default", body)
    registry.delete(POD, A_POD, DeleteOptions())
    assert registry.store.get(POD, A_POD) is None


def test_a_finalizer_holds_until_it_is_taken_off(registry: Registry) -> None:
    registry.create(ROLLOUT, "default", rollout(finalizers=["x.io/f"]))
    registry.delete(ROLLOUT, WEB, DeleteOptions())
    metadata = metadata_of(registry, ROLLOUT, WEB)
    assert metadata["deletionTimestamp"] == "2026-01-01T00:00:00Z"
    assert metadata["generation"] == 2
    version = registry.store.version
    registry.delete(ROLLOUT, WEB, DeleteOptions())
    assert registry.store.version == version, "a second deletion says nothing new"
    with pytest.raises(InvalidError, match="no new finalizers"):
        registry.patch(ROLLOUT, WEB, {"metadata": {"finalizers": ["x.io/f", "x.io/g"]}}, PatchType.MERGE)
    registry.patch(ROLLOUT, WEB, {"metadata": {"finalizers": None}}, PatchType.MERGE)
    assert registry.store.get(ROLLOUT, WEB) is None


def test_no_update_takes_a_deletion_back(registry: Registry) -> None:
    registry.create(ROLLOUT, "default", rollout(finalizers=["x.io/f"]))
    registry.delete(ROLLOUT, WEB, DeleteOptions())
    registry.patch(ROLLOUT, WEB, {"metadata": {"deletionTimestamp": None}}, PatchType.MERGE)
    assert metadata_of(registry, ROLLOUT, WEB)["deletionTimestamp"]


def test_what_is_owned_follows_its_owner(family: Registry) -> None:
    family.delete(ROLLOUT, WEB, DeleteOptions())
    assert family.store.get(ROLLOUT, WEB) is None
    assert family.store.get(REPLICA_SET, RS) is None
    assert metadata_of(family, POD, A_POD)["deletionTimestamp"] == NOW_AND_30_S


def test_what_is_orphaned_stays(family: Registry) -> None:
    family.delete(ROLLOUT, WEB, DeleteOptions("Orphan"))
    assert family.store.get(ROLLOUT, WEB) is None
    assert "ownerReferences" not in metadata_of(family, REPLICA_SET, RS)


def test_in_the_foreground_the_owner_goes_last(family: Registry) -> None:
    family.delete(ROLLOUT, WEB, DeleteOptions("Foreground"))
    for kind, key in ((ROLLOUT, WEB), (REPLICA_SET, RS)):
        metadata = metadata_of(family, kind, key)
        assert metadata["deletionTimestamp"]
        assert metadata["finalizers"] == ["foregroundDeletion"]
    family.delete(POD, A_POD, DeleteOptions(grace_s=0))
    assert family.store.get(REPLICA_SET, RS) is None
    assert family.store.get(ROLLOUT, WEB) is None


def test_an_owner_with_nothing_left_goes_at_once_in_the_foreground(registry: Registry) -> None:
    registry.create(ROLLOUT, "default", rollout())
    registry.delete(ROLLOUT, WEB, DeleteOptions("Foreground"))
    assert registry.store.get(ROLLOUT, WEB) is None


def test_what_has_another_owner_only_loses_one(registry: Registry) -> None:
    first = registry.create(ROLLOUT, "default", rollout("first"))
    second = registry.create(ROLLOUT, "default", rollout("second"))
    owners = [replica_set(owner=each)["metadata"]["ownerReferences"][0] for each in (first, second)]
    registry.create(REPLICA_SET, "default", replica_set(ownerReferences=owners))
    registry.delete(ROLLOUT, Key("default", "first"), DeleteOptions())
    assert [owner["name"] for owner in metadata_of(registry, REPLICA_SET, RS)["ownerReferences"]] == ["second"]
    registry.delete(ROLLOUT, Key("default", "second"), DeleteOptions())
    assert registry.store.get(REPLICA_SET, RS) is None


def test_a_child_that_comes_after_its_owner_is_gone_does_not_stay(registry: Registry) -> None:
    owner = registry.create(ROLLOUT, "default", rollout())
    registry.delete(ROLLOUT, WEB, DeleteOptions())
    registry.create(REPLICA_SET, "default", replica_set(owner=owner))
    assert registry.store.get(REPLICA_SET, RS) is None


def test_a_new_owner_of_the_same_name_is_not_the_old_one(family: Registry) -> None:
    family.delete(ROLLOUT, WEB, DeleteOptions("Orphan"))
    again = family.create(ROLLOUT, "default", rollout())
    family.delete(ROLLOUT, WEB, DeleteOptions(uid=again["metadata"]["uid"]))
    assert family.store.get(REPLICA_SET, RS) is not None


def test_an_owner_of_a_kind_not_served_here_is_left_to_others(registry: Registry) -> None:
    owner = {"apiVersion": "example.com/v1", "kind": "Cat", "name": "tom", "uid": "1"}
    registry.create(CONFIG_MAP, "default", config_map(ownerReferences=[owner]))
    assert registry.store.get(CONFIG_MAP, Key("default", "settings")) is not None


def test_a_namespace_goes_when_it_is_empty_and_takes_nothing_new_until_then(registry: Registry) -> None:
    registry.create(NAMESPACE, "", {"metadata": {"name": "shop"}})
    registry.create(CONFIG_MAP, "shop", config_map(namespace="shop"))
    registry.create(POD, "shop", pod(namespace="shop"))
    registry.delete(NAMESPACE, Key("", "shop"), DeleteOptions())
    assert registry.store.get(CONFIG_MAP, Key("shop", "settings")) is None
    assert registry.get(NAMESPACE, Key("", "shop"))["status"] == {"phase": "Terminating"}
    with pytest.raises(ApiError) as caught:
        registry.create(CONFIG_MAP, "shop", config_map(namespace="shop"))
    assert (caught.value.code, caught.value.status["details"]["causes"][0]["reason"]) == (403, "NamespaceTerminating")
    registry.delete(POD, Key("shop", "web-1-a"), DeleteOptions(grace_s=0))
    assert registry.store.get(NAMESPACE, Key("", "shop")) is None


def test_the_namespaces_every_cluster_has_stay(registry: Registry) -> None:
    with pytest.raises(ApiError, match="may not be deleted"):
        registry.delete(NAMESPACE, Key("", "default"), DeleteOptions())


def test_a_chain_of_owners_of_any_length_goes_at_once(registry: Registry) -> None:
    owner = registry.create(CONFIG_MAP, "default", config_map("c0"))
    for number in range(1, 1500):
        owner = registry.create(CONFIG_MAP, "default", config_map(f"c{number}", **owned_by(owner)))
    registry.delete(CONFIG_MAP, Key("default", "c0"), DeleteOptions())
    assert registry.store.objects(CONFIG_MAP) == []


def test_two_that_own_each_other_go_together(registry: Registry) -> None:
    one = registry.create(CONFIG_MAP, "default", config_map("one"))
    other = registry.create(CONFIG_MAP, "default", config_map("other", **owned_by(one)))
    registry.patch(CONFIG_MAP, Key("default", "one"), {"metadata": owned_by(other)}, PatchType.MERGE)
    registry.delete(CONFIG_MAP, Key("default", "one"), DeleteOptions())
    assert registry.store.objects(CONFIG_MAP) == []
