from typing import Any

import pytest

from meshsim.api.merge_patch import merge_patch
from meshsim.apiserver.writing.patch import json_patch, strategic_merge_patch
from meshsim.client.api import ApiError, InvalidError


@pytest.mark.parametrize(
    ("value", "patch", "result"),
    [
        # The cases of RFC 7386, appendix A.
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a", "b"], ["c", "d"], ["c", "d"]),
        ({"a": "b"}, ["c"], ["c"]),
        ({"a": "foo"}, None, None),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_a_merge_patch_is_that_of_the_standard(value: Any, patch: Any, result: Any) -> None:
    assert merge_patch(value, patch) == result


@pytest.mark.parametrize(
    ("operations", "result"),
    [
        ([{"op": "add", "path": "/new", "value": 1}], {"a": [1, 2], "b": {"c": "d"}, "new": 1}),
        ([{"op": "add", "path": "/a/1", "value": 9}], {"a": [1, 9, 2], "b": {"c": "d"}}),
        ([{"op": "add", "path": "/a/-", "value": 9}], {"a": [1, 2, 9], "b": {"c": "d"}}),
        ([{"op": "replace", "path": "/b/c", "value": "e"}], {"a": [1, 2], "b": {"c": "e"}}),
        ([{"op": "replace", "path": "/a/0", "value": 7}], {"a": [7, 2], "b": {"c": "d"}}),
        ([{"op": "remove", "path": "/a/0"}], {"a": [2], "b": {"c": "d"}}),
        ([{"op": "remove", "path": "/b/c"}], {"a": [1, 2], "b": {}}),
        ([{"op": "move", "from": "/b/c", "path": "/moved"}], {"a": [1, 2], "b": {}, "moved": "d"}),
        ([{"op": "copy", "from": "/a", "path": "/b/a"}], {"a": [1, 2], "b": {"c": "d", "a": [1, 2]}}),
        ([{"op": "test", "path": "/b/c", "value": "d"}, {"op": "remove", "path": "/a"}], {"b": {"c": "d"}}),
        ([{"op": "add", "path": "/b/x~1y~0z", "value": 1}], {"a": [1, 2], "b": {"c": "d", "x/y~z": 1}}),
    ],
)
def test_a_json_patch_is_that_of_the_standard(operations: Any, result: Any) -> None:
    value = {"a": [1, 2], "b": {"c": "d"}}
    assert json_patch(value, operations) == result
    assert value == {"a": [1, 2], "b": {"c": "d"}}, "the patched object is a new one"


@pytest.mark.parametrize(
    "operations",
    [
        {"op": "add"},
        [1],
        [{"op": "add"}],
        [{"op": "jump", "path": "/a"}],
        [{"op": "add", "path": "a"}],
        [{"op": "test", "path": "/b/c", "value": "x"}],
        [{"op": "remove", "path": "/none"}],
        [{"op": "remove", "path": ""}],
        [{"op": "replace", "path": "/a/2", "value": 1}],
        [{"op": "add", "path": "/a/x", "value": 1}],
        [{"op": "add", "path": "/none/x", "value": 1}],
        [{"op": "add", "path": "/b/c/d", "value": 1}],
        [{"op": "move", "path": "/x", "from": "/none"}],
        [{"op": "copy", "path": "/x"}],
    ],
)
def test_a_json_patch_that_does_not_fit_is_refused(operations: Any) -> None:
    with pytest.raises(InvalidError):
        json_patch({"a": [1, 2], "b": {"c": "d"}}, operations)


def test_copies_of_copies_are_stopped_before_they_fill_the_memory() -> None:
    doubling = [{"op": "copy", "from": "/list", "path": "/list/-"}] * 60
    with pytest.raises(ApiError) as caught:
        json_patch({"list": ["x" * 100]}, doubling)
    assert caught.value.code == 413


CONTAINERS = [
    {"name": "web", "image": "web:v1", "env": [{"name": "A", "value": "1"}]},
    {"name": "log", "image": "log:1"},
]


def test_a_strategic_patch_merges_named_things_by_name() -> None:
    patch = {"containers": [{"name": "web", "image": "web:v2", "env": [{"name": "B", "value": "2"}]}]}
    merged = strategic_merge_patch({"containers": CONTAINERS}, patch)
    env = [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]
    assert merged == {"containers": [{"name": "web", "image": "web:v2", "env": env}, CONTAINERS[1]]}


def test_a_strategic_patch_merges_a_services_ports_by_port_and_a_containers_by_container_port() -> None:
    ports = [{"port": 80, "targetPort": 8080}, {"port": 443}]
    patched = strategic_merge_patch({"ports": ports}, {"ports": [{"port": 80, "targetPort": 9090}]})
    assert patched == {"ports": [{"port": 80, "targetPort": 9090}, {"port": 443}]}
    patched = strategic_merge_patch({"ports": [{"containerPort": 80}]}, {"ports": [{"containerPort": 80, "name": "h"}]})
    assert patched == {"ports": [{"containerPort": 80, "name": "h"}]}


def test_a_strategic_patch_deletes_an_item_by_directive() -> None:
    patch = {"containers": [{"name": "log", "$patch": "delete"}]}
    assert strategic_merge_patch({"containers": CONTAINERS}, patch) == {"containers": CONTAINERS[:1]}


def test_a_strategic_patch_replaces_a_list_or_a_mapping_by_directive() -> None:
    patch = {"containers": [{"$patch": "replace"}, {"name": "new"}], "map": {"$patch": "replace", "b": 2}}
    value = {"containers": CONTAINERS, "map": {"a": 1}}
    assert strategic_merge_patch(value, patch) == {"containers": [{"name": "new"}], "map": {"b": 2}}


def test_a_strategic_patch_takes_items_out_of_a_plain_list() -> None:
    patch = {"$deleteFromPrimitiveList/finalizers": ["b"]}
    assert strategic_merge_patch({"finalizers": ["a", "b"]}, patch) == {"finalizers": ["a"]}


def test_a_strategic_patch_adds_to_finalizers_and_replaces_other_plain_lists() -> None:
    patch = {"finalizers": ["b"], "args": ["y"]}
    assert strategic_merge_patch({"finalizers": ["a"], "args": ["x"]}, patch) == {
        "finalizers": ["a", "b"],
        "args": ["y"],
    }


def test_a_strategic_patch_orders_as_it_is_told() -> None:
    patch = {
        "$setElementOrder/containers": [{"name": "log"}, {"name": "web"}],
        "containers": [{"name": "new", "image": "n"}],
    }
    merged = strategic_merge_patch({"containers": CONTAINERS}, patch)
    assert [container["name"] for container in merged["containers"]] == ["log", "web", "new"]


def test_a_strategic_patch_retains_only_the_keys_it_names() -> None:
    patch = {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}
    value = {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}}
    assert strategic_merge_patch(value, patch) == {"strategy": {"type": "Recreate"}}


def test_a_strategic_patch_removes_by_null() -> None:
    assert strategic_merge_patch({"selector": {"a": "1", "b": "2"}}, {"selector": {"a": None}}) == {
        "selector": {"b": "2"}
    }


@pytest.mark.parametrize("patch", [{"$patch": "jump"}, {"containers": [{"image": "nameless"}]}, {"containers": [1]}])
def test_a_strategic_patch_that_makes_no_sense_is_refused(patch: Any) -> None:
    with pytest.raises(InvalidError):
        strategic_merge_patch({"containers": CONTAINERS}, patch)
