"""Whether to take a lease, keep it or wait for it. Pure; the rules are client-go's (tools/leaderelection)."""

from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from meshsim.api.decode import Object, Wire, encode
from meshsim.api.kinds import LEASE
from meshsim.api.meta import Key
from meshsim.kit.timestamps import to_rfc3339_micro

LEASE_S: Final = 15
"""A lease that nobody renewed for so long is anybody's."""
RENEW_DEADLINE_S: Final = 10.0
"""A leader that could not renew for so long no longer acts, well before another one may."""
RETRY_S: Final = 2.0
"""Between two looks at the lease."""

_NAMESPACE: Final = "kube-system"
_ROLLOUTS: Final = "argo-rollouts-controller-lock"
_CLUSTER: Final = "meshsim-cluster-controller-lock"


class LeaseSpec(Wire, frozen=True):
    """A Lease's `spec`. Times are metav1.MicroTime; nobody holds it while the identity is empty."""

    holder_identity: str = ""
    lease_duration_seconds: int = 0
    acquire_time: str = ""
    renew_time: str = ""
    lease_transitions: int = 0


@dataclass(frozen=True, slots=True)
class Seen:
    """A lease as last read, and since when it has been like that: monotonic seconds of whoever read it.

    Its own times are never compared with anything: they are another process's, and clocks jump.
    """

    spec: LeaseSpec
    since: float


class Turn(Enum):
    """What to do about a lease."""

    ACQUIRE = auto()
    RENEW = auto()
    WAIT = auto()


def turn(seen: Seen | None, identity: str, now: float, *, holder_is_gone: bool) -> Turn:
    """What this candidate does; None is no lease at all, `now` is on the scale of `seen.since`."""
    if seen is None or not seen.spec.holder_identity:
        return Turn.ACQUIRE
    if seen.spec.holder_identity == identity:
        return Turn.RENEW
    is_over = now - seen.since > seen.spec.lease_duration_seconds
    return Turn.ACQUIRE if holder_is_gone or is_over else Turn.WAIT


def lease_of(instance_id: str, *, has_rollouts: bool) -> Key:
    """The lease that controllers of the same objects compete for; those of different ones have different leases."""
    if not has_rollouts:
        return Key(_NAMESPACE, _CLUSTER)
    return Key(_NAMESPACE, f"{_ROLLOUTS}-{instance_id}" if instance_id else _ROLLOUTS)


def held(before: LeaseSpec | None, identity: str, now: float) -> LeaseSpec:
    """The lease once the candidate has it, or has it still; `now` is Unix seconds."""
    stamp = to_rfc3339_micro(now)
    known = before or LeaseSpec(lease_transitions=-1)
    is_kept = known.holder_identity == identity
    return LeaseSpec(
        holder_identity=identity,
        lease_duration_seconds=LEASE_S,
        acquire_time=known.acquire_time if is_kept else stamp,
        renew_time=stamp,
        lease_transitions=known.lease_transitions if is_kept else known.lease_transitions + 1,
    )


def released(before: LeaseSpec, now: float) -> LeaseSpec:
    """The lease once its holder has given it up."""
    stamp = to_rfc3339_micro(now)
    return LeaseSpec(
        lease_duration_seconds=1, acquire_time=stamp, renew_time=stamp, lease_transitions=before.lease_transitions
    )


def new_lease(lease: Key, spec: LeaseSpec) -> Object:
    """The Lease to create."""
    return {
        "apiVersion": LEASE.api_version,
        "kind": LEASE.kind,
        "metadata": {"name": lease.name, "namespace": lease.namespace},
        "spec": encode(spec),
    }
