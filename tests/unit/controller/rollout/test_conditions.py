"""Conditions: set once, renewed on progress, timed out."""

from controller.rollout import conditions
from meshsim.api.decode import decode
from meshsim.api.rollouts import Rollout, RolloutStatus

_NOW = 1_767_225_600.0


def test_a_condition_that_is_so_already_keeps_its_stamps_and_place() -> None:
    first = conditions.put((), conditions.new("Paused", "True", "RolloutPaused", "a", _NOW))

    assert conditions.put(first, conditions.new("Paused", "True", "RolloutPaused", "b", _NOW + 5)) is first


def test_another_reason_moves_it_to_the_end_and_keeps_the_transition_time_of_the_same_status() -> None:
    both = (
        conditions.new("Progressing", "True", "A", "", _NOW),
        conditions.new("Available", "True", "A", "", _NOW),
    )

    changed = conditions.put(both, conditions.new("Progressing", "True", "B", "", _NOW + 5))

    assert [condition.type for condition in changed] == ["Available", "Progressing"]
    assert changed[1].last_transition_time == both[0].last_transition_time
    assert changed[1].last_update_time != both[0].last_update_time


def test_renewing_stamps_a_condition_even_when_nothing_else_changes() -> None:
    old = (conditions.new("Progressing", "True", "A", "", _NOW),)

    renewed = conditions.renew(old, conditions.new("Progressing", "True", "A", "", _NOW + 5))

    assert renewed[0].last_update_time == "2026-01-01T00:00:05Z"
    assert renewed[0].last_transition_time == "2026-01-01T00:00:00Z"


def _rollout(deadline_s: int | None, reason: str) -> tuple[Rollout, RolloutStatus]:
    spec = {} if deadline_s is None else {"progressDeadlineSeconds": deadline_s}
    rollout = decode(Rollout, {"metadata": {}, "spec": spec})
    progressing = conditions.new("Progressing", "True", reason, "", _NOW)
    return rollout, RolloutStatus(conditions=(progressing,))


def test_it_has_timed_out_strictly_after_the_deadline() -> None:
    rollout, status = _rollout(10, "ReplicaSetUpdated")

    assert [conditions.has_timed_out(rollout, status, _NOW + passed) for passed in (9, 10, 10.5)] == [
        False,
        False,
        True,
    ]


def test_the_deadline_is_ten_minutes_unless_given() -> None:
    assert conditions.deadline_of(*_rollout(None, "ReplicaSetUpdated")) == _NOW + 600


def test_a_paused_or_aborted_rollout_has_no_deadline() -> None:
    for reason in ("RolloutPaused", "RolloutAborted"):
        assert conditions.deadline_of(*_rollout(10, reason)) is None


def test_what_has_timed_out_once_stays_so() -> None:
    rollout, status = _rollout(10, "ProgressDeadlineExceeded")

    assert conditions.has_timed_out(rollout, status, _NOW)
