"""Unit tests of the Job controller's decisions."""

from typing import Any

import pytest

from controller.job.plan import backoff_s, is_finished, plan
from meshsim.api.core import Pod
from meshsim.api.decode import decode, encode
from meshsim.api.workloads import Job
from meshsim.kit.timestamps import to_rfc3339

NOW = 1_767_225_600.0


def job(status: dict[str, Any] | None = None, **spec: Any) -> Job:
    return decode(
        Job, {"metadata": {"name": "job", "uid": "u"}, "spec": {"completions": 1, **spec}, "status": status or {}}
    )


def pod(name: str, phase: str = "Running", *, ended_ago: float = 0, restarts: int = 0, **metadata: Any) -> Pod:
    finished = {"terminated": {"finishedAt": to_rfc3339(NOW - ended_ago)}} if phase in ("Succeeded", "Failed") else {}
    container = {"restartCount": restarts, "state": finished}
    return decode(
        Pod, {"metadata": {"name": name, **metadata}, "status": {"phase": phase, "containerStatuses": [container]}}
    )


def reasons(decided_status: Any) -> list[tuple[str, str]]:
    return [(each.type, each.reason) for each in decided_status.conditions]


@pytest.mark.parametrize(
    ("spec", "pods", "create"),
    [
        ({}, [], 1),
        ({}, [pod("a")], 0),
        ({"completions": 5, "parallelism": 2}, [], 2),
        ({"completions": 5, "parallelism": 2}, [pod("a"), pod("b", "Succeeded")], 1),
        ({"completions": 2, "parallelism": 5}, [pod("a", "Succeeded")], 1),
        ({"completions": None, "parallelism": 3}, [pod("a")], 2),
        ({"completions": None, "parallelism": 3}, [pod("a"), pod("b", "Succeeded")], 0),
        ({}, [pod("a", deletionTimestamp=to_rfc3339(NOW))], 1),
        ({"suspend": True}, [], 0),
    ],
)
def test_as_many_pods_run_as_are_missing_and_may(spec: dict[str, Any], pods: list[Pod], create: int) -> None:
    assert plan(job(**spec), pods, NOW).create == create


def test_enough_pods_that_ended_well_complete_the_job() -> None:
    decided = plan(job(completions=2), [pod("a", "Succeeded"), pod("b", "Succeeded")], NOW)
    assert reasons(decided.status) == [("Complete", "CompletionsReached")]
    assert (decided.status.succeeded, decided.status.completion_time) == (2, to_rfc3339(NOW))


def test_a_failed_pod_is_tried_again_after_a_back_off() -> None:
    decided = plan(job(), [pod("a", "Failed", ended_ago=4)], NOW)
    assert (decided.create, decided.wake_at, decided.status.failed) == (0, NOW + 6, 1)
    assert plan(job(), [pod("a", "Failed", ended_ago=10)], NOW).create == 1


def test_the_back_off_doubles_up_to_six_minutes() -> None:
    assert [backoff_s(failures) for failures in (0, 1, 2, 5, 6, 100)] == [0, 10, 20, 160, 320, 360]


def test_too_many_failures_end_the_job_and_its_pods() -> None:
    pods = [pod(name, "Failed", ended_ago=99) for name in "abc"]
    assert plan(job(backoffLimit=3), pods, NOW).status.conditions == ()
    decided = plan(job(backoffLimit=2, parallelism=2, completions=9), [*pods, pod("d")], NOW)
    assert reasons(decided.status) == [("Failed", "BackoffLimitExceeded")]
    assert [each.metadata.name for each in decided.delete] == ["d"]


def test_restarts_within_a_pod_count_as_failures() -> None:
    assert plan(job(backoffLimit=2), [pod("a", restarts=1)], NOW).status.conditions == ()
    assert reasons(plan(job(backoffLimit=2), [pod("a", restarts=2)], NOW).status) == [
        ("Failed", "BackoffLimitExceeded")
    ]


def test_a_deadline_ends_the_job_and_is_waited_for() -> None:
    running = job({"startTime": to_rfc3339(NOW - 20)}, activeDeadlineSeconds=30)
    assert plan(running, [pod("a")], NOW).wake_at == NOW + 10
    decided = plan(running, [pod("a")], NOW + 10)
    assert reasons(decided.status) == [("Failed", "DeadlineExceeded")]
    assert [each.metadata.name for each in decided.delete] == ["a"]


def test_a_suspended_job_gives_up_its_pods_and_its_start() -> None:
    decided = plan(job({"startTime": to_rfc3339(NOW - 20)}, suspend=True), [pod("a")], NOW)
    assert ([each.metadata.name for each in decided.delete], decided.status.start_time) == (["a"], "")


def test_what_has_ended_stays_counted_when_its_pod_is_gone() -> None:
    decided = plan(job({"succeeded": 1, "failed": 2}, completions=3), [], NOW)
    assert (decided.status.succeeded, decided.status.failed) == (1, 2)


def test_a_job_that_has_ended_does_nothing_more() -> None:
    ended = plan(job(), [pod("a", "Succeeded")], NOW).status
    over = job(encode(ended))
    assert is_finished(over)
    later = plan(over, [], NOW + 1000)
    assert (later.create, later.delete, later.status, later.wake_at) == (0, (), ended, None)
