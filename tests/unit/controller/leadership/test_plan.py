"""A lease: whose turn it is, and what its holder writes."""

import pytest

from controller.leadership.plan import LEASE_S, LeaseSpec, Seen, Turn, held, lease_of, released, turn

ME, OTHER = "here_1_2.00", "there_3_4.00"


def seen(holder: str, since: float = 100.0) -> Seen:
    return Seen(LeaseSpec(holder_identity=holder, lease_duration_seconds=LEASE_S), since)


@pytest.mark.parametrize(
    ("lease", "now", "gone", "expected"),
    [
        (None, 100.0, False, Turn.ACQUIRE),
        (seen(""), 100.0, False, Turn.ACQUIRE),
        (seen(ME), 100.0, False, Turn.RENEW),
        (seen(ME), 1000.0, False, Turn.RENEW),
        (seen(OTHER), 100.0, False, Turn.WAIT),
        (seen(OTHER), 115.0, False, Turn.WAIT),
        (seen(OTHER), 115.1, False, Turn.ACQUIRE),
        (seen(OTHER), 100.0, True, Turn.ACQUIRE),
    ],
    ids=["none", "free", "mine", "mine and old", "another's", "just not over", "over", "its process is gone"],
)
def test_a_lease_is_taken_when_nobody_keeps_it(lease: Seen | None, now: float, gone: bool, expected: Turn) -> None:
    assert turn(lease, ME, now, holder_is_gone=gone) is expected


def test_renewing_moves_one_stamp_only() -> None:
    first = held(None, ME, 0.0)
    again = held(first, ME, 2.5)
    assert first == LeaseSpec(
        holder_identity=ME,
        lease_duration_seconds=15,
        acquire_time="1970-01-01T00:00:00.000000Z",
        renew_time="1970-01-01T00:00:00.000000Z",
    )
    assert again.renew_time == "1970-01-01T00:00:02.500000Z"
    assert (again.acquire_time, again.lease_transitions) == (first.acquire_time, 0)


def test_every_change_of_the_holder_is_counted_and_a_release_is_none() -> None:
    mine = held(None, ME, 0.0)
    free = released(mine, 1.0)
    assert (free.holder_identity, free.lease_transitions) == ("", 0)
    assert held(free, OTHER, 2.0).lease_transitions == 1
    assert held(mine, OTHER, 2.0).acquire_time == "1970-01-01T00:00:02.000000Z"


def test_controllers_of_different_objects_compete_for_different_leases() -> None:
    names = [
        lease_of("", has_rollouts=True).name,
        lease_of("blue", has_rollouts=True).name,
        lease_of("", has_rollouts=False).name,
    ]
    assert names == [
        "argo-rollouts-controller-lock",
        "argo-rollouts-controller-lock-blue",
        "meshsim-cluster-controller-lock",
    ]
