"""Which ReplicaSets are a rollout's: those that its selector matches and that nobody else controls.

One without a controller is adopted, as after an orphaning delete; an own one that the selector no longer matches is let
go, with its pods. So it is decided before the rollout is judged: without a selector, as when the workload that had it
is gone, everything is let go, and taken back later.
"""

from collections.abc import Iterable

from controller.rollout.actions import Patch, Plan
from controller.rollout.new_version import owner_reference
from controller.rollout.observed import Observed
from meshsim.api.decode import Object
from meshsim.api.kinds import REPLICA_SET
from meshsim.api.meta import LabelSelector, key_of


def is_matched(selector: LabelSelector | None, obj: Object) -> bool:
    """A selector matches the object; none matches nothing, an empty one everything."""
    return selector is not None and selector.matches(obj["metadata"].get("labels") or {})


def orphans_of(namespace: str, selector: LabelSelector | None, unowned: Iterable[Object]) -> tuple[Object, ...]:
    """Those of the ReplicaSets without a controller that a rollout with this selector adopts."""
    return tuple(
        obj
        for obj in unowned
        if obj["metadata"].get("namespace") == namespace
        and not obj["metadata"].get("deletionTimestamp")
        and is_matched(selector, obj)
    )


def claim(observed: Observed, now: float) -> Plan:
    """Adopt and let go; everything else is decided when that is seen."""
    adopted = [_adopt(observed, obj) for obj in observed.orphans]
    return Plan(actions=(*adopted, *(_let_go(observed, obj) for obj in observed.strays)), wake_at=now)


def _adopt(observed: Observed, obj: Object) -> Patch:
    return _owned_by(obj, [*_owners(obj), owner_reference(observed)])


def _let_go(observed: Observed, obj: Object) -> Patch:
    return _owned_by(obj, [owner for owner in _owners(obj) if owner.get("uid") != observed.rollout.metadata.uid])


def _owners(obj: Object) -> list[Object]:
    return obj["metadata"].get("ownerReferences") or []


def _owned_by(obj: Object, owners: list[Object]) -> Patch:
    metadata = obj["metadata"]
    # Refused when it is another object by now, or somebody else wrote its owners.
    same = {"uid": metadata["uid"], "resourceVersion": metadata["resourceVersion"]}
    return Patch(REPLICA_SET, key_of(obj), {"metadata": {**same, "ownerReferences": owners}})
