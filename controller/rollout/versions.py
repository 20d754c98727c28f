"""The versions of a rollout: its ReplicaSets as the plan sees them, each the pods of one pod template."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from meshsim.api.decode import Object
from meshsim.api.rollouts import (
    DESIRED_REPLICAS_ANNOTATION,
    HASH_LABEL,
    REVISION_ANNOTATION,
    SCALE_DOWN_DEADLINE_ANNOTATION,
)
from meshsim.kit.timestamps import from_rfc3339

_NO_REVISION: Final = -1


@dataclass(frozen=True, slots=True)
class Version:
    """A ReplicaSet: its object on the wire and what decisions are made from. Planned changes make a new one."""

    obj: Object
    name: str
    hash: str
    replicas: int
    """`spec.replicas`: how many pods were asked for."""
    created: float
    current: int = 0
    """`status.replicas`: how many pods there are."""
    ready: int = 0
    available: int = 0

    @property
    def annotations(self) -> dict[str, str]:
        """Read only."""
        annotations: dict[str, str] = self.obj["metadata"].get("annotations") or {}
        return annotations

    @property
    def revision(self) -> int:
        """The number people see; 0 before it has one, -1 when it isn't a number."""
        text = self.annotations.get(REVISION_ANNOTATION, "0")
        return int(text) if text.isascii() and text.isdecimal() else _NO_REVISION

    @property
    def scale_down_at(self) -> float | None:
        """The instant from which it may be scaled to zero, when it has one that can be read."""
        text = self.annotations.get(SCALE_DOWN_DEADLINE_ANNOTATION)
        try:
            return from_rfc3339(text) if text else None
        except ValueError:
            return None

    @property
    def has_scale_down_deadline(self) -> bool:
        """It is annotated with one, readable or not."""
        return bool(self.annotations.get(SCALE_DOWN_DEADLINE_ANNOTATION))

    @property
    def is_fully_available(self) -> bool:
        """It has pods and all that were asked for are available."""
        return 0 < self.replicas <= self.available

    @property
    def is_terminating(self) -> bool:
        """It was told to go."""
        return bool(self.obj["metadata"].get("deletionTimestamp"))

    @property
    def noted_replicas(self) -> int | None:
        """The rollout's size when this version was last scaled."""
        text = self.annotations.get(DESIRED_REPLICAS_ANNOTATION, "")
        return int(text) if text.isascii() and text.isdecimal() else None


def version_of(obj: Object) -> Version:
    """Read a ReplicaSet as it stands on the wire."""
    metadata, spec, status = obj["metadata"], obj.get("spec") or {}, obj.get("status") or {}
    replicas = spec.get("replicas")
    stamp = metadata.get("creationTimestamp")
    return Version(
        obj=obj,
        name=metadata.get("name") or "",
        hash=(metadata.get("labels") or {}).get(HASH_LABEL) or "",
        replicas=1 if replicas is None else replicas,
        created=from_rfc3339(stamp) if stamp else 0.0,
        current=status.get("replicas") or 0,
        ready=status.get("readyReplicas") or 0,
        available=status.get("availableReplicas") or 0,
    )


def is_saturated(version: Version | None, rollout_replicas: int) -> bool:
    """All pods that the rollout wants are in this version and available, and it was scaled for this very size."""
    return version is not None and (version.replicas == version.noted_replicas == version.available == rollout_replicas)


def with_hash(versions: Iterable[Version], pod_hash: str) -> Version | None:
    """The version of that pod template."""
    return next((version for version in versions if pod_hash and version.hash == pod_hash), None)


def total_available(versions: Iterable[Version | None]) -> int:
    """Available pods of all these versions."""
    return sum(version.available for version in versions if version)


def total_current(versions: Iterable[Version | None]) -> int:
    """Existing pods of all these versions."""
    return sum(version.current for version in versions if version)


def total_asked(versions: Iterable[Version | None]) -> int:
    """Pods that were asked for in all these versions."""
    return sum(version.replicas for version in versions if version)


def total_ready(versions: Iterable[Version | None]) -> int:
    """Ready pods of all these versions."""
    return sum(version.ready for version in versions if version)


def oldest_first(versions: Iterable[Version]) -> list[Version]:
    """By creation, then by name."""
    return sorted(versions, key=lambda version: (version.created, version.name))


def newest_revision_first(versions: Sequence[Version]) -> list[Version]:
    """By revision, then by creation, highest first."""
    return sorted(versions, key=lambda version: (version.revision, version.created), reverse=True)
