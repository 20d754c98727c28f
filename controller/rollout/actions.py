"""What a plan may do to the API, and the plan itself: frozen, in the order it is carried out."""

from dataclasses import dataclass

from meshsim.api.decode import Object
from meshsim.api.kinds import Kind
from meshsim.api.meta import Key
from meshsim.api.rollouts import RolloutDuration
from meshsim.client.api import PatchType


@dataclass(frozen=True, slots=True)
class Create:
    """Make an object. Its name is deterministic, so that doing it twice is refused rather than doubled."""

    kind: Kind
    obj: Object


@dataclass(frozen=True, slots=True)
class Patch:
    """Change a part of an object."""

    kind: Kind
    key: Key
    patch: Object
    how: PatchType = PatchType.MERGE
    subresource: str = ""


@dataclass(frozen=True, slots=True)
class Replace:
    """Write an object whole; refused when somebody wrote it since it was observed."""

    kind: Kind
    obj: Object


@dataclass(frozen=True, slots=True)
class Delete:
    """Take an object away, if it is still the one that was observed."""

    kind: Kind
    key: Key
    uid: str = ""


@dataclass(frozen=True, slots=True)
class Evictions:
    """Pods to evict in that order, until so many are gone; those that a disruption budget needs are passed over."""

    pods: tuple[Key, ...]
    most: int


@dataclass(frozen=True, slots=True)
class Emit:
    """A Kubernetes event about the rollout; `type` is Normal or Warning."""

    reason: str
    message: str
    type: str = "Normal"


Action = Create | Patch | Replace | Delete | Emit


@dataclass(frozen=True, slots=True)
class Plan:
    """What one reconcile does: the actions, then the status, then what is announced about it.

    One that wants `evictions` does nothing else: how many succeed decides about everything that follows, so it is
    planned again with their number.
    """

    actions: tuple[Action, ...] = ()
    status_patch: Object | None = None
    """Merge patch of `status`; None when it stays as it is."""
    announcements: tuple[Emit, ...] = ()
    wake_at: float | None = None
    """The instant to look again, when nothing changes before."""
    ended: RolloutDuration | None = None
    """The attempt that ended with this reconcile, one way or another."""
    error: str = ""
    """Why it is tried again after a back-off."""
    evictions: Evictions | None = None
