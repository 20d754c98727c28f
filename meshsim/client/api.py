"""What a client may ask of a Kubernetes API, and how it is refused. Planes depend on this, not on HTTP."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol

from meshsim.api.decode import Object
from meshsim.api.kinds import Kind
from meshsim.api.meta import Key
from meshsim.kit.errors import MeshsimError


class PatchType(StrEnum):
    """Content types of a PATCH."""

    JSON = "application/json-patch+json"
    MERGE = "application/merge-patch+json"
    STRATEGIC = "application/strategic-merge-patch+json"
    APPLY = "application/apply-patch+yaml"


class ApiError(MeshsimError):
    """The API refused: a Status with its HTTP code, reason and message."""

    def __init__(self, code: int, reason: str, message: str, status: Object | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.status: Object = status or {}


class NotFoundError(ApiError):
    """404: no such object."""


class ConflictError(ApiError):
    """409 Conflict: somebody wrote in between; observe again."""


class AlreadyExistsError(ApiError):
    """409 AlreadyExists: the name is taken."""


class InvalidError(ApiError):
    """400 or 422: the object is wrong."""


class TooManyRequestsError(ApiError):
    """429: not now; of an eviction, a disruption budget needs the pod."""


class ExpiredError(ApiError):
    """410: the resourceVersion is older than the API's history; list again."""


class UnreachableError(ApiError):
    """No answer from the API, or one that makes no sense (code 0), or a 5xx."""


_BY_REASON: Final[dict[str, type[ApiError]]] = {
    "NotFound": NotFoundError,
    "Conflict": ConflictError,
    "AlreadyExists": AlreadyExistsError,
    "Invalid": InvalidError,
    "BadRequest": InvalidError,
    "TooManyRequests": TooManyRequestsError,
    "Expired": ExpiredError,
    "Gone": ExpiredError,
}


def error_of(status: Object, code: int) -> ApiError:
    """The error that a Status object and HTTP code stand for."""
    reason = str(status.get("reason") or "")
    message = str(status.get("message") or f"the API answered {code}")
    fallback = UnreachableError if code >= 500 else ApiError
    return _BY_REASON.get(reason, fallback)(code, reason, message, status)


@dataclass(frozen=True, slots=True)
class Listing:
    """The objects of a list and the version it is of."""

    items: list[Object]
    resource_version: str


@dataclass(frozen=True, slots=True)
class WatchEvent:
    """One change. `type` is ADDED, MODIFIED, DELETED or BOOKMARK."""

    type: str
    object: Object


class ListerWatcher(Protocol):
    """The part of an Api that an informer needs."""

    async def list(self, kind: Kind, namespace: str | None = None, *, selector: str = "") -> Listing:
        """The objects of a namespace, or of all, that a label selector matches."""

    def watch(
        self, kind: Kind, resource_version: str, namespace: str | None = None, *, selector: str = ""
    ) -> AsyncIterator[WatchEvent]:
        """What changed after that version; ends when the API ends it."""


class Api(ListerWatcher, Protocol):
    """A Kubernetes API. Every method raises ApiError; objects returned are shared: copy before changing."""

    async def get(self, kind: Kind, key: Key) -> Object:
        """One object."""

    async def create(self, kind: Kind, obj: Object) -> Object:
        """Create it in its `metadata.namespace`."""

    async def replace(self, kind: Kind, obj: Object, *, subresource: str = "") -> Object:
        """PUT it whole; its resourceVersion, when it has one, must be the latest."""

    async def patch(
        self,
        kind: Kind,
        key: Key,
        patch: Object | Sequence[Object],
        *,
        how: PatchType = PatchType.MERGE,
        subresource: str = "",
    ) -> Object:
        """Change a part of it."""

    async def delete(
        self, kind: Kind, key: Key, *, uid: str = "", grace_s: int | None = None, propagation: str = "Background"
    ) -> None:
        """Delete it, only if it still has that uid when one is given. Pods end gracefully unless `grace_s` is 0."""

    async def evict(self, pod: Key) -> None:
        """Delete a pod gracefully; raises TooManyRequestsError when a disruption budget needs it."""
