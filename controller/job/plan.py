"""What a Job's controller would do now: pure, from the Job and its pods as last seen."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from meshsim.api.core import Pod
from meshsim.api.meta import Condition
from meshsim.api.workloads import Job, JobStatus
from meshsim.kit.timestamps import from_rfc3339, to_rfc3339

_FIRST_BACKOFF_S: Final = 10.0
_LONGEST_BACKOFF_S: Final = 360.0
_MOST_DOUBLINGS: Final = 16
_ENDINGS: Final = ("Complete", "Failed")


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do, and what to report."""

    status: JobStatus
    create: int = 0
    delete: tuple[Pod, ...] = ()
    wake_at: float | None = None
    """When the deadline or the back-off will have passed."""


@dataclass(frozen=True, slots=True)
class _Seen:
    """The pods by how they are. What has ended is counted on when its pod is gone."""

    active: tuple[Pod, ...]
    succeeded: int
    failed: int
    restarts: int
    last_failure: float


def plan(job: Job, pods: Sequence[Pod], now: float) -> Plan:
    """Decide from the pods that the Job owns; `now` and `wake_at` are Unix seconds."""
    seen = _look(job, pods)
    started = job.status.start_time or ("" if job.spec.suspend else to_rfc3339(now))
    status = JobStatus(
        active=len(seen.active),
        ready=sum(pod.is_ready for pod in seen.active),
        succeeded=seen.succeeded,
        failed=seen.failed,
        start_time=started,
        completion_time=job.status.completion_time,
        conditions=job.status.conditions,
    )
    if is_finished(job) or job.metadata.deletion_timestamp:
        return Plan(status, delete=() if job.metadata.deletion_timestamp else seen.active)
    ending = _ending(job, seen, started, now)
    if ending is not None:
        return Plan(_ended(status, ending, now), delete=seen.active)
    if job.spec.suspend:
        return Plan(msgspec.structs.replace(status, start_time=""), delete=seen.active)
    return _go_on(job, seen, status, now)


def is_finished(job: Job) -> bool:
    """It is Complete or Failed."""
    return any(each.type in _ENDINGS and each.status == "True" for each in job.status.conditions)


def backoff_s(failures: int) -> float:
    """Seconds between a failure and the next pod: 10 s, doubled each time, at most 6 minutes."""
    return min(_FIRST_BACKOFF_S * 2.0 ** min(failures - 1, _MOST_DOUBLINGS), _LONGEST_BACKOFF_S) if failures else 0.0


def _look(job: Job, pods: Sequence[Pod]) -> _Seen:
    failed = [pod for pod in pods if pod.status.phase == "Failed"]
    active = tuple(pod for pod in pods if pod.is_active)
    return _Seen(
        active=active,
        succeeded=max(sum(pod.status.phase == "Succeeded" for pod in pods), job.status.succeeded),
        failed=max(len(failed), job.status.failed),
        restarts=sum(int(each.get("restartCount") or 0) for pod in active for each in pod.status.container_statuses),
        last_failure=max(map(_finished_at, failed), default=0.0),
    )


def _finished_at(pod: Pod) -> float:
    ends = (
        ((each.get("state") or {}).get("terminated") or {}).get("finishedAt") for each in pod.status.container_statuses
    )
    return max((from_rfc3339(end) for end in ends if end), default=0.0)


def _ending(job: Job, seen: _Seen, started: str, now: float) -> Condition | None:
    """The condition that ends the Job now."""
    spec = job.spec
    if seen.failed > spec.backoff_limit or (seen.restarts > 0 and seen.restarts >= max(spec.backoff_limit, 1)):
        return _condition("Failed", "BackoffLimitExceeded", "Job has reached the specified backoff limit")
    if (
        spec.active_deadline_seconds is not None
        and started
        and now >= from_rfc3339(started) + spec.active_deadline_seconds
    ):
        return _condition("Failed", "DeadlineExceeded", "Job was active longer than specified deadline")
    enough = seen.succeeded >= spec.completions if spec.completions is not None else seen.succeeded > 0
    if enough and (spec.completions is not None or not seen.active):
        return _condition("Complete", "CompletionsReached", "Reached expected number of succeeded pods")
    return None


def _go_on(job: Job, seen: _Seen, status: JobStatus, now: float) -> Plan:
    spec = job.spec
    wanted = spec.parallelism
    if spec.completions is not None:
        wanted = min(wanted, spec.completions - seen.succeeded)
    elif seen.succeeded:
        wanted = len(seen.active)
    missing = wanted - len(seen.active)
    due = seen.last_failure + backoff_s(seen.failed)
    wakes = []
    if spec.active_deadline_seconds is not None:
        wakes.append(from_rfc3339(status.start_time) + spec.active_deadline_seconds)
    if missing > 0 and due > now:
        wakes.append(due)
    return Plan(
        status,
        create=missing if missing > 0 and due <= now else 0,
        delete=seen.active[: max(-missing, 0)],
        wake_at=min(wakes, default=None),
    )


def _condition(name: str, reason: str, message: str) -> Condition:
    return Condition(type=name, status="True", reason=reason, message=message)


def _ended(status: JobStatus, ending: Condition, now: float) -> JobStatus:
    stamped = msgspec.structs.replace(ending, last_transition_time=to_rfc3339(now))
    return msgspec.structs.replace(
        status,
        conditions=(*status.conditions, stamped),
        completion_time=to_rfc3339(now) if ending.type == "Complete" else "",
    )
