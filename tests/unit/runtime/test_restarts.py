"""Unit tests of when a container starts again."""

import pytest

from meshsim.api.core import Pod
from meshsim.api.decode import decode
from meshsim.runtime.containers.containers import Exit
from meshsim.runtime.containers.restarts import CrashBackoff, policy_of, restarts


@pytest.mark.parametrize(
    ("policy", "code", "again"),
    [
        ("Always", 0, True),
        ("Always", 1, True),
        ("OnFailure", 0, False),
        ("OnFailure", 1, True),
        ("Never", 0, False),
        ("Never", 1, False),
    ],
)
def test_the_restart_policy_decides_by_the_exit_code(policy: str, code: int, again: bool) -> None:
    assert restarts(policy, Exit(code)) is again


@pytest.mark.parametrize(
    ("policy", "policies"),
    [
        ("Always", ["OnFailure", "Always", "Always"]),
        ("OnFailure", ["OnFailure", "Always", "OnFailure"]),
        ("Never", ["Never", "Always", "Never"]),
    ],
)
def test_an_init_container_runs_until_it_succeeds_and_a_sidecar_for_ever(policy: str, policies: list[str]) -> None:
    init = [{"name": "prepare"}, {"name": "mesh", "restartPolicy": "Always"}]
    spec = {"restartPolicy": policy, "initContainers": init, "containers": [{"name": "web"}]}
    pod = decode(Pod, {"metadata": {"name": "a"}, "spec": spec})
    assert [policy_of(pod, container) for container in pod.spec.all_containers] == policies


def test_each_crash_doubles_the_wait_up_to_five_minutes() -> None:
    backoff = CrashBackoff()
    assert [backoff.after(1.0) for _ in range(8)] == [0, 10, 20, 40, 80, 160, 300, 300]


def test_ten_good_minutes_are_a_clean_sheet() -> None:
    backoff = CrashBackoff()
    for _ in range(5):
        backoff.after(1.0)
    assert [backoff.after(600.0), backoff.after(1.0)] == [0, 10]
