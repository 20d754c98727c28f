"""Unit tests of the status that the kubelet writes."""

from typing import Any

import pytest

from meshsim.api.core import Pod
from meshsim.api.decode import Object, decode
from meshsim.kit.timestamps import to_rfc3339
from meshsim.runtime.containers.container_state import ContainerState, Terminated, state_before
from meshsim.runtime.containers.containers import Exit
from meshsim.runtime.pods.pod_status import Place, phase_of, pod_status

NOW = 1_767_225_600.0
RUNNING = ContainerState(running_since=NOW, started=True, ready=True)
UNREADY = ContainerState(running_since=NOW, started=True)
UNSTARTED = ContainerState(running_since=NOW)
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


INIT = [{"name": "prepare"}, {"name": "mesh", "restartPolicy": "Always"}]
WAITING = ContainerState(waiting_reason="PodInitializing")


def done(code: int) -> ContainerState:
    return ContainerState(terminated=Terminated(Exit(code), NOW, NOW))


@pytest.mark.parametrize(
    ("prepare", "mesh", "web", "incomplete"),
    [
        (WAITING, WAITING, WAITING, "prepare mesh"),
        (RUNNING, WAITING, WAITING, "prepare mesh"),
        (done(0), UNSTARTED, WAITING, "mesh"),
        (done(0), RUNNING, WAITING, None),
        (done(0), UNSTARTED, RUNNING, None),
    ],
    ids=["begins", "prepares", "sidecar starts", "prepared", "sidecar restarts later"],
)
def test_a_pod_is_initialized_when_its_init_containers_have_done_their_work(
    prepare: ContainerState, mesh: ContainerState, web: ContainerState, incomplete: str | None
) -> None:
    states = {"prepare": prepare, "mesh": mesh, "web": web}
    status = pod_status(pod(initContainers=INIT), states, PLACE, NOW)
    condition = next(each for each in status["conditions"] if each["type"] == "Initialized")
    message = incomplete and f"containers with incomplete status: [{incomplete}]"
    assert (condition["status"], condition.get("message")) == ("False" if incomplete else "True", message)
    assert status["phase"] == ("Running" if web is RUNNING else "Pending")
    assert [each["name"] for each in status["initContainerStatuses"]] == ["prepare", "mesh"]
    assert [each["name"] for each in status["containerStatuses"]] == ["web"]


def test_an_init_container_is_ready_when_it_is_done_and_a_sidecar_when_it_is_ready() -> None:
    spec = pod(initContainers=INIT)
    begun = pod_status(spec, {"prepare": RUNNING, "mesh": WAITING, "web": WAITING}, PLACE, NOW)
    assert [each["ready"] for each in begun["initContainerStatuses"]] == [False, False]
    later = pod_status(spec, {"prepare": done(0), "mesh": UNREADY, "web": RUNNING}, PLACE, NOW)
    assert [each["ready"] for each in later["initContainerStatuses"]] == [True, False]
    assert later["conditions"][3]["message"] == "containers with unready status: [mesh]"


@pytest.mark.parametrize(
    ("policy", "prepare", "mesh", "web", "phase"),
    [
        ("Never", done(1), RUNNING, WAITING, "Failed"),
        ("OnFailure", done(1), RUNNING, WAITING, "Pending"),
        ("Never", done(0), RUNNING, done(0), "Running"),
        ("Never", done(0), done(137), done(0), "Succeeded"),
        ("Never", done(0), done(0), done(2), "Failed"),
        ("OnFailure", done(0), done(0), done(2), "Running"),
    ],
)
def test_the_phase_of_a_pod_with_init_containers(
    policy: str, prepare: ContainerState, mesh: ContainerState, web: ContainerState, phase: str
) -> None:
    states = {"prepare": prepare, "mesh": mesh, "web": web}
    assert phase_of(pod(initContainers=INIT, restartPolicy=policy), states) == phase


def test_what_a_node_wrote_is_what_the_next_one_reads() -> None:
    states = {"prepare": done(0), "mesh": RUNNING, "web": UNREADY}
    written = pod(pod_status(pod(initContainers=INIT), states, PLACE, NOW), initContainers=INIT)
    assert {each.name: state_before(written, each).running_since for each in written.spec.all_containers} == {
        "prepare": None,
        "mesh": NOW,
        "web": NOW,
    }
    assert state_before(written, written.spec.init_containers[0]).has_succeeded
    new = pod(initContainers=INIT)
    assert {state_before(new, each).waiting_reason for each in new.spec.all_containers} == {"PodInitializing"}


def test_a_container_that_cannot_run_says_why() -> None:
    state = ContainerState(waiting_reason="CreateContainerConfigError", waiting_message="no such thing")
    status = pod_status(pod(), {"web": state}, Place("127.0.0.1"), NOW)
    assert status["containerStatuses"][0]["state"] == {
        "waiting": {"reason": "CreateContainerConfigError", "message": "no such thing"}
    }
