import json
from typing import Any

import pytest

from meshsim.api.decode import Object
from meshsim.api.kinds import CONFIG_MAP, DEPLOYMENT, EVENT, JOB, POD, ROLLOUT, SERVICE, VIRTUAL_SERVICE, Kind
from meshsim.apiserver.answers.representation import MetadataOnly, PlainJson, Table, negotiate
from meshsim.apiserver.registry import Registry
from meshsim.apiserver.requests.pages import Page, page_of
from meshsim.apiserver.storage.selection import Told
from meshsim.apiserver.storage.store import Event
from meshsim.client.api import InvalidError
from tests.kits.manifests import config_map, pod, rollout, service, virtual_service

CREATED = 1_767_225_600.0
KUBECTL = (
    "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json"
)


def table(kind: Kind, obj: Object, *, after_s: float = 125.0) -> Object:
    shown: Object = json.loads(Table(kind, "Metadata", lambda: CREATED + after_s).object(obj))
    return shown


def row(kind: Kind, obj: Object, *, wide: bool = False, after_s: float = 125.0) -> dict[str, Any]:
    shown = table(kind, obj, after_s=after_s)
    [cells] = [row["cells"] for row in shown["rows"]]
    columns = shown["columnDefinitions"]
    return {
        column["name"]: cell for column, cell in zip(columns, cells, strict=True) if wide or column["priority"] == 0
    }


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("", PlainJson(POD, "v1")),
        ("*/*", PlainJson(POD, "v1")),
        ("application/json, */*", PlainJson(POD, "v1")),
        ("application/vnd.kubernetes.protobuf,application/json", PlainJson(POD, "v1")),
        (KUBECTL, Table(POD, "Metadata", lambda: 0.0)),
        ("application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1", MetadataOnly()),
        ("application/json;as=Table;v=v2;g=meta.k8s.io", None),
        ("text/html", None),
    ],
)
def test_the_first_form_that_can_be_written_is_taken(accept: str, expected: object) -> None:
    assert negotiate(accept, POD, "v1", "", lambda: 0.0) == expected


def test_a_rollouts_row_is_that_of_its_crd(registry: Registry) -> None:
    obj = registry.create(ROLLOUT, "default", rollout())
    assert row(ROLLOUT, obj) == {
        "Name": "web", "Desired": 3, "Current": None, "Up-to-date": None, "Available": None, "Age": "2m5s",
    }  # fmt: skip
    status = {"replicas": 3, "updatedReplicas": 1, "availableReplicas": 2}
    assert list(row(ROLLOUT, obj | {"status": status}).values()) == ["web", 3, 3, 1, 2, "2m5s"]


def test_a_services_row_shows_where_it_is(registry: Registry) -> None:
    obj = registry.create(SERVICE, "default", service())
    cells = row(SERVICE, obj, wide=True)
    assert cells == {
        "Name": "web", "Type": "ClusterIP", "Cluster-IP": obj["spec"]["clusterIP"], "External-IP": "<none>",
        "Port(s)": "80/TCP", "Age": "2m5s", "Selector": "app=web",
    }  # fmt: skip


def test_a_virtual_services_row_shows_lists_as_json(registry: Registry) -> None:
    obj = registry.create(VIRTUAL_SERVICE, "default", virtual_service())
    assert row(VIRTUAL_SERVICE, obj) == {"Name": "web", "Gateways": None, "Hosts": '["web"]', "Age": "2m5s"}


def with_status(*containers: Object, phase: str = "Running", **metadata: Any) -> Object:
    obj = pod(creationTimestamp="2026-01-01T00:00:00Z", **metadata)
    return obj | {"status": {"phase": phase, "podIP": "127.1.0.1", "containerStatuses": list(containers)}}


RUNNING = {"ready": True, "restartCount": 2, "state": {"running": {}}}


@pytest.mark.parametrize(
    ("obj", "ready", "status"),
    [
        (with_status(RUNNING), "1/1", "Running"),
        (with_status(RUNNING | {"ready": False}), "0/1", "Running"),
        (with_status({"state": {"waiting": {"reason": "CrashLoopBackOff"}}}), "0/1", "CrashLoopBackOff"),
        (with_status({"state": {"terminated": {"reason": "Completed"}}}, phase="Succeeded"), "0/1", "Completed"),
        (with_status({"state": {"terminated": {"exitCode": 3}}}, phase="Failed"), "0/1", "ExitCode:3"),
        (with_status(phase="Pending"), "0/1", "Pending"),
        (with_status(RUNNING, deletionTimestamp="2026-01-01T00:01:00Z"), "1/1", "Terminating"),
    ],
)
def test_a_pods_row_says_how_it_is(obj: Object, ready: str, status: str) -> None:
    cells = row(POD, obj)
    assert (cells["Ready"], cells["Status"]) == (ready, status)


def with_init(*init: Object, containers: tuple[Object, ...] = (), initialized: str = "False") -> Object:
    obj = with_status(*containers, phase="Pending")
    obj["spec"]["initContainers"] = [{"name": "a"}, {"name": "mesh", "restartPolicy": "Always"}, {"name": "b"}]
    obj["status"]["initContainerStatuses"] = list(init)
    obj["status"]["conditions"] = [{"type": "Initialized", "status": initialized}]
    return obj


DONE = {"name": "a", "ready": True, "restartCount": 1, "state": {"terminated": {"reason": "Completed", "exitCode": 0}}}
SIDECAR = {"name": "mesh", "ready": True, "started": True, "restartCount": 0, "state": {"running": {}}}
PREPARING = {"name": "b", "ready": False, "restartCount": 0, "state": {"running": {}}}
NOT_YET = {"ready": False, "state": {"waiting": {"reason": "PodInitializing"}}}


@pytest.mark.parametrize(
    ("obj", "ready", "status", "restarts"),
    [
        (with_init(NOT_YET, containers=(NOT_YET,)), "0/2", "Init:0/3", "0"),
        (with_init(DONE, SIDECAR | {"started": False}, containers=(NOT_YET,)), "0/2", "Init:1/3", "1"),
        (with_init(DONE, SIDECAR, PREPARING, containers=(NOT_YET,)), "1/2", "Init:2/3", "1"),
        (with_init({"state": {"waiting": {"reason": "CrashLoopBackOff"}}}), "0/2", "Init:CrashLoopBackOff", "0"),
        (with_init({"state": {"terminated": {"reason": "Error", "exitCode": 1}}}), "0/2", "Init:Error", "0"),
        (with_init({"state": {"terminated": {"exitCode": 7}}}), "0/2", "Init:ExitCode:7", "0"),
        (with_init({"state": {"terminated": {"exitCode": 9, "signal": 9}}}), "0/2", "Init:Signal:9", "0"),
        (with_init(DONE, SIDECAR, DONE, containers=(NOT_YET,)), "1/2", "PodInitializing", "0"),
        (with_init(DONE, SIDECAR, DONE, containers=(RUNNING,), initialized="True"), "2/2", "Pending", "2"),
        (with_init(DONE, PREPARING, DONE, containers=(RUNNING,), initialized="True"), "1/2", "Init:1/3", "2"),
    ],
)
def test_a_pods_row_says_how_far_its_init_containers_are(obj: Object, ready: str, status: str, restarts: str) -> None:
    cells = row(POD, obj)
    assert (cells["Ready"], cells["Status"], cells["Restarts"]) == (ready, status, restarts)


def test_a_pods_row_says_when_a_container_ended_that_was_restarted() -> None:
    last = {"lastState": {"terminated": {"finishedAt": "2026-01-01T00:02:00Z"}}}
    assert row(POD, with_status(RUNNING | last))["Restarts"] == "2 (5s ago)"


def test_a_pod_that_has_ended_is_not_terminating() -> None:
    ended = {"state": {"terminated": {"reason": "Completed"}}}
    obj = with_status(ended, phase="Succeeded", deletionTimestamp="2026-01-01T00:01:00Z")
    assert row(POD, obj)["Status"] == "Completed"


def test_a_pods_wide_row_says_where_it_is() -> None:
    cells = row(POD, with_status(RUNNING), wide=True)
    assert (cells["Restarts"], cells["IP"], cells["Node"], cells["Readiness Gates"]) == (
        "2",
        "127.1.0.1",
        "meshsim",
        "<none>",
    )


def test_rows_of_other_kinds() -> None:
    metadata = {"name": "x", "creationTimestamp": "2026-01-01T00:00:00Z"}
    deployment = {"metadata": metadata, "spec": {"replicas": 3}, "status": {"readyReplicas": 2, "updatedReplicas": 1}}
    assert list(row(DEPLOYMENT, deployment).values()) == ["x", "2/3", 1, 0, "2m5s"]
    status = {"succeeded": 1, "startTime": "2026-01-01T00:00:00Z", "completionTime": "2026-01-01T00:00:07Z"}
    job = {"metadata": metadata, "spec": {"completions": 1}, "status": status}
    assert list(row(JOB, job).values()) == ["x", "Running", "1/1", "7s", "2m5s"]
    event = {
        "metadata": metadata,
        "lastTimestamp": "2026-01-01T00:02:00Z",
        "type": "Normal",
        "reason": "RolloutPaused",
        "message": "Rollout is paused\n",
        "involvedObject": {"kind": "Rollout", "name": "web"},
    }
    assert list(row(EVENT, event).values()) == ["5s", "Normal", "RolloutPaused", "rollout/web", "Rollout is paused"]


def test_a_table_says_its_version_and_carries_as_much_of_the_object_as_is_asked(registry: Registry) -> None:
    obj = registry.create(CONFIG_MAP, "default", config_map())
    for include, expected in (("None", None), ("Metadata", "PartialObjectMetadata"), ("Object", "ConfigMap")):
        shown = json.loads(Table(CONFIG_MAP, include, lambda: CREATED).list(Page([obj], 7)))
        assert shown["metadata"] == {"resourceVersion": "7"}
        assert shown["rows"][0].get("object", {}).get("kind") == expected


def test_a_watched_table_has_its_header_once() -> None:
    obj = with_status(RUNNING, resourceVersion="7")
    watching = Table(POD, "Metadata", lambda: CREATED)
    first, second = (json.loads(watching.event(Told("ADDED", obj), first=first)) for first in (True, False))
    assert first["object"]["columnDefinitions"][0]["name"] == "Name"
    assert second["object"]["columnDefinitions"] is None
    assert second["object"]["rows"][0]["cells"][0] == "web-1-a"
    bookmark = json.loads(watching.event(Told("BOOKMARK", {"metadata": {"resourceVersion": "9"}}), first=False))
    assert bookmark["object"]["metadata"]["resourceVersion"] == "9"


def test_an_event_is_encoded_once_for_all_who_want_the_same_form() -> None:
    event = Event(7, None, with_status(RUNNING))
    told = Told("ADDED", with_status(RUNNING), event)
    line = PlainJson(POD, "v1").event(told, first=True)
    assert PlainJson(POD, "v1").event(told, first=False) is line
    assert MetadataOnly().event(told, first=True) != line
    assert json.loads(line) == {"type": "ADDED", "object": told.object}


def test_a_list_comes_in_pages_of_one_version() -> None:
    items = [config_map(name) for name in "abcde"]
    names, token, version = [], "", 7
    while True:
        page = page_of(items, version, 2, token)
        names.append([obj["metadata"]["name"] for obj in page.items])
        assert page.metadata["resourceVersion"] == "7"
        if not page.token:
            break
        assert page.metadata["remainingItemCount"] == 5 - 2 * len(names)
        # The list goes on where it was although an item has gone and the store has moved on.
        items, token, version = [obj for obj in items if obj["metadata"]["name"] != "b"], page.token, 9
    assert names == [["a", "b"], ["c", "d"], ["e"]]


@pytest.mark.parametrize("token", ["x", "!!!", "e30=", "WzEsMl0=", "WzEsIjIiLDNd"])
def test_a_token_that_nobody_gave_is_refused(token: str) -> None:
    with pytest.raises(InvalidError, match="continue key is not valid"):
        page_of([], 1, 2, token)
