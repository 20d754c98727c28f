"""Unit tests of the status that the kubelet writes."""

from typing import Any

import pytest

from meshsim.api.core import Pod
from meshsim.api.decode import Object, decode
from meshsim.kit.timestamps import to_rfc3339
from meshsim.runtime.pod_status import ContainerState, Place, pod_status

NOW = 1_767_225_600.0
RUNNING = ContainerState(running_since=NOW, started=True, ready=True)
UNREADY = ContainerState(running_since=NOW, started=True)
PLACE = Place("127.0.0.1", "127.16.0.1")


def pod(status: Object | None = None, **spec: Any) -> Pod:
    return decode(
        Pod,
        {
            "metadata": {"name": "web-1", "uid": "u-1"},
            "spec": {"containers": [{"name": "web", "image": "web:v1"}], **spec},
            "status": status or {},
        },
    )


def conditions(status: Object) -> dict[str, str]:
    return {condition["type"]: condition["status"] for condition in status["conditions"]}


def test_a_pod_whose_containers_have_not_started_is_pending_and_has_no_address() -> None:
    status = pod_status(pod(), {"web": ContainerState()}, Place("127.0.0.1"), NOW)
    assert status["phase"] == "Pending"
    assert "podIP" not in status
    assert status["containerStatuses"][0]["state"] == {"waiting": {"reason": "ContainerCreating"}}
    assert conditions(status) == {
        "PodReadyToStartContainers": "False",
        "Initialized": "True",
        "Ready": "False",
        "ContainersReady": "False",
        "PodScheduled": "True",
    }


def test_a_running_container_that_is_not_ready_is_named_in_the_conditions() -> None:
    status = pod_status(pod(), {"web": UNREADY}, PLACE, NOW)
    assert (status["phase"], status["podIP"], status["podIPs"]) == ("Running", "127.16.0.1", [{"ip": "127.16.0.1"}])
    assert [
        (condition["type"], condition["reason"], condition["message"])
        for condition in status["conditions"]
        if condition["status"] == "False"
    ] == [
        ("Ready", "ContainersNotReady", "containers with unready status: [web]"),
        ("ContainersReady", "ContainersNotReady", "containers with unready status: [web]"),
    ]


def test_a_pod_is_ready_when_all_its_containers_are() -> None:
    two = pod(containers=[{"name": "b"}, {"name": "a"}])
    assert conditions(pod_status(two, {"b": RUNNING, "a": UNREADY}, PLACE, NOW))["Ready"] == "False"
    status = pod_status(two, {"b": RUNNING, "a": RUNNING}, PLACE, NOW)
    assert conditions(status)["Ready"] == "True"
    assert [container["name"] for container in status["containerStatuses"]] == ["a", "b"]


@pytest.mark.parametrize(
    ("gate", "ready", "message"),
    [
        ([], "False", 'corresponding condition of pod readiness gate "mesh/synced" does not exist.'),
        (
            [{"type": "mesh/synced", "status": "False"}],
            "False",
            'the status of pod readiness gate "mesh/synced" is not "True", but False',
        ),
        ([{"type": "mesh/synced", "status": "True"}], "True", None),
    ],
    ids=["absent", "closed", "open"],
)
def test_a_readiness_gate_holds_a_pod_back_until_somebody_opens_it(
    gate: list[Object], ready: str, message: str | None
) -> None:
    gated = pod({"conditions": gate}, readinessGates=[{"conditionType": "mesh/synced"}])
    status = pod_status(gated, {"web": RUNNING}, PLACE, NOW)
    condition = next(each for each in status["conditions"] if each["type"] == "Ready")
    assert (condition["status"], condition.get("message")) == (ready, message)
    assert conditions(status)["ContainersReady"] == "True"


def test_conditions_that_others_set_are_kept() -> None:
    other = {"type": "mesh/synced", "status": "True", "lastTransitionTime": to_rfc3339(NOW - 9)}
    status = pod_status(pod({"conditions": [other]}), {"web": RUNNING}, PLACE, NOW)
    assert status["conditions"][-1] == other


def test_a_transition_is_stamped_when_it_happens_and_never_again() -> None:
    started = pod_status(pod(), {"web": UNREADY}, PLACE, NOW)
    ready = pod_status(pod(started), {"web": RUNNING}, PLACE, NOW + 5)
    later = pod_status(pod(ready), {"web": RUNNING}, PLACE, NOW + 60)
    stamps = {condition["type"]: condition["lastTransitionTime"] for condition in later["conditions"]}
    assert (stamps["Ready"], stamps["Initialized"]) == (to_rfc3339(NOW + 5), to_rfc3339(NOW))
    assert later == ready


def test_a_container_that_cannot_run_says_why() -> None:
    state = ContainerState(waiting_reason="CreateContainerConfigError", waiting_message="no such thing")
    status = pod_status(pod(), {"web": state}, Place("127.0.0.1"), NOW)
    assert status["containerStatuses"][0]["state"] == {
        "waiting": {"reason": "CreateContainerConfigError", "message": "no such thing"}
    }
