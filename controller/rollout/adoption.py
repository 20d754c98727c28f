"""ReplicaSets that nobody owns and that a rollout's selector matches become its own, as after an orphaning delete."""

from collections.abc import Iterable

from controller.rollout.actions import Patch, Plan
from controller.rollout.new_version import owner_reference
from controller.rollout.observed import Observed
from meshsim.api.decode import Object
from meshsim.api.kinds import REPLICA_SET
from meshsim.api.meta import LabelSelector, key_of


def orphans_of(namespace: str, selector: LabelSelector | None, unowned: Iterable[Object]) -> tuple[Object, ...]:
    """Those of the ReplicaSets without a controller that a rollout with this selector adopts."""
    if selector is None or selector == LabelSelector():
        return ()
    return tuple(
        obj
        for obj in unowned
        if obj["metadata"].get("namespace") == namespace
        and not obj["metadata"].get("deletionTimestamp")
        and selector.matches(obj["metadata"].get("labels") or {})
    )


def adoption(observed: Observed, now: float) -> Plan:
    """Make the orphans its own; everything else is decided when that is seen."""
    return Plan(actions=tuple(_adopt(observed, obj) for obj in observed.orphans), wake_at=now)


def _adopt(observed: Observed, obj: Object) -> Patch:
    metadata = obj["metadata"]
    owners = [*(metadata.get("ownerReferences") or ()), owner_reference(observed)]
    same = {"uid": metadata["uid"], "resourceVersion": metadata["resourceVersion"]}
    return Patch(REPLICA_SET, key_of(obj), {"metadata": {**same, "ownerReferences": owners}})
