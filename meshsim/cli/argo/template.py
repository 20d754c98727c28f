"""Changes of a pod template: `set image` and `undo`. Pure."""

from collections.abc import Iterable
from copy import deepcopy
from typing import Any, Final

from meshsim.api.decode import Object
from meshsim.api.rollouts import HASH_LABEL, REVISION_ANNOTATION
from meshsim.kit.errors import MeshsimError

_CONTAINER_LISTS: Final = ("initContainers", "containers", "ephemeralContainers")
_EVERY_CONTAINER: Final = "*"


def with_image(workload: Object, container: str, image: str) -> Object:
    """A copy of the workload whose container of that name, or every one for `*`, runs the image.

    Raises MeshsimError when it has no such container.
    """
    changed = deepcopy(workload)
    pod = ((changed.get("spec") or {}).get("template") or {}).get("spec") or {}
    found = [
        one
        for name in _CONTAINER_LISTS
        for one in pod.get(name) or []
        if container in (one.get("name"), _EVERY_CONTAINER)
    ]
    if not found:
        raise MeshsimError(f'unable to find container named "{container}"')
    for one in found:
        one["image"] = image
    return changed


def revision_to_restore(rollout_name: str, replica_sets: Iterable[Object], to_revision: int) -> Object:
    """The ReplicaSet of a revision; for 0 that of the one before the latest. Raises MeshsimError when there is none."""
    by_revision = {_revision(one): one for one in replica_sets if _revision(one) is not None}
    if to_revision and to_revision in by_revision:
        return by_revision[to_revision]
    if to_revision > 0:
        raise MeshsimError(f"unable to find specified revision {to_revision} in history")
    older = sorted(revision for revision in by_revision if revision is not None)[:-1]
    if to_revision or not older:
        raise MeshsimError(f'no revision found for rollout "{rollout_name}"')
    return by_revision[older[-1]]


def template_of(workload: Object) -> Object:
    """The pod template without the label that tells versions apart."""
    template: Object = deepcopy(workload["spec"].get("template") or {})
    ((template.get("metadata") or {}).get("labels") or {}).pop(HASH_LABEL, None)
    return template


def restore_patch(template: Object) -> list[Object]:
    """The JSON patch that puts a template back."""
    return [{"op": "replace", "path": "/spec/template", "value": template}]


def is_part_of(part: Any, whole: Any) -> bool:
    """Whether all that `part` says, empty values aside, `whole` says too: defaults only one side has don't count."""
    if isinstance(part, dict):
        return isinstance(whole, dict) and all(
            is_part_of(value, whole.get(key)) for key, value in part.items() if value not in (None, "", 0, {}, [])
        )
    if isinstance(part, list):
        return isinstance(whole, list) and len(part) == len(whole) and all(map(is_part_of, part, whole))
    return bool(part == whole)


def _revision(replica_set: Object) -> int | None:
    text = (replica_set["metadata"].get("annotations") or {}).get(REVISION_ANNOTATION, "0")
    try:
        return int(text)
    except ValueError:
        return None
