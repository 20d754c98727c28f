"""A pod in one word."""

from typing import Any

import pytest

from meshsim.api.decode import Object
from meshsim.cli.argo.pod_reason import pod_icon, pod_state


def _pod(*containers: Object, init: list[Object] | None = None, **status: Any) -> Object:
    names = [{"name": f"c{index}"} for index in range(max(1, len(containers)))]
    inits = [{"name": one["name"], "restartPolicy": one.get("restartPolicy")} for one in init or []]
    return {
        "metadata": {},
        "spec": {"containers": names, "initContainers": inits},
        "status": {"phase": "Running", "containerStatuses": list(containers), "initContainerStatuses": init, **status},
    }


RUNNING: Object = {"ready": True, "state": {"running": {}}}


def _state(**state: Any) -> Object:
    return {"ready": False, "restartCount": 2, "state": state}


@pytest.mark.parametrize(
    ("pod", "reason", "ready", "restarts"),
    [
        (_pod(phase="Pending"), "Pending", "0/1", 0),
        (_pod(RUNNING), "Running", "1/1", 0),
        (_pod(RUNNING, _state(running={})), "Running", "1/2", 2),
        (_pod(_state(waiting={"reason": "ImagePullBackOff"})), "ImagePullBackOff", "0/1", 2),
        (_pod(_state(terminated={"reason": "OOMKilled"})), "OOMKilled", "0/1", 2),
        (_pod(_state(terminated={"exitCode": 3})), "ExitCode:3", "0/1", 2),
        (_pod(_state(terminated={"signal": 9, "exitCode": 137})), "Signal:9", "0/1", 2),
        (_pod(_state(terminated={"reason": "Completed"}), RUNNING), "Running", "1/2", 2),
        (_pod(reason="Evicted"), "Evicted", "0/1", 0),
    ],
)
def test_the_first_container_in_trouble_speaks_for_the_pod(pod: Object, reason: str, ready: str, restarts: int) -> None:
    state = pod_state(pod)
    assert (state.reason, state.ready, state.restarts) == (reason, ready, restarts)


@pytest.mark.parametrize(
    ("init", "reason"),
    [
        ({"name": "i", "state": {"running": {}}}, "Init:0/1"),
        ({"name": "i", "state": {"waiting": {"reason": "PodInitializing"}}}, "Init:0/1"),
        ({"name": "i", "state": {"waiting": {"reason": "ErrImagePull"}}}, "Init:ErrImagePull"),
        ({"name": "i", "state": {"terminated": {"exitCode": 1}}}, "Init:ExitCode:1"),
        ({"name": "i", "state": {"terminated": {"exitCode": 1, "reason": "Error"}}}, "Init:Error"),
        ({"name": "i", "state": {"terminated": {"exitCode": 0}}}, "Running"),
        ({"name": "i", "restartPolicy": "Always", "started": True, "ready": True, "state": {"running": {}}}, "Running"),
    ],
)
def test_init_containers_come_first(init: Object, reason: str) -> None:
    assert pod_state(_pod(RUNNING, init=[init])).reason == reason


def test_a_pod_that_is_being_deleted_is_terminating() -> None:
    pod = _pod(RUNNING)
    pod["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert pod_state(pod).reason == "Terminating"
    pod["status"]["reason"] = "NodeLost"
    assert pod_state(pod).reason == "Unknown"


@pytest.mark.parametrize(
    ("reason", "icon"),
    [
        ("Running", "✔"),
        ("Completed", "✔"),
        ("Init:0/1", "◌"),
        ("Terminating", "◌"),
        ("CrashLoopBackOff", "✖"),
        ("ExitCode:1", "✖"),
        ("ImagePullBackOff", "⚠"),
        ("ErrImagePull", "⚠"),
        ("CreateContainerError", "⚠"),
        ("Unknown", "?"),
        ("OOMKilled", " "),
    ],
)
def test_every_state_has_its_icon(reason: str, icon: str) -> None:
    assert pod_icon(reason) == icon
