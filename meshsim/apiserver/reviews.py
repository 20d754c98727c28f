"""Questions that clients ask of themselves: may I, what may I, who am I. Pure.

Whoever reaches this API is its owner.
"""

from collections.abc import Mapping
from typing import Final

from meshsim.api.decode import Object
from meshsim.apiserver import refusals

REVIEWS: Final[Mapping[str, tuple[str, ...]]] = {
    "authorization.k8s.io": (
        "SelfSubjectAccessReview",
        "SelfSubjectRulesReview",
        "SubjectAccessReview",
    ),
    "authentication.k8s.io": ("SelfSubjectReview",),
}
"""Resources that can only be created, by group, each served as v1: the answer is in the status."""
_EVERYTHING: Final[Object] = {
    "resourceRules": [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}],
    "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}],
    "incomplete": False,
}
_OWNER: Final[Object] = {"username": "meshsim", "groups": ["system:masters", "system:authenticated"]}
_STATUS: Final[Mapping[str, Object]] = {
    "SelfSubjectAccessReview": {"allowed": True},
    "SubjectAccessReview": {"allowed": True},
    "SelfSubjectRulesReview": _EVERYTHING,
    "SelfSubjectReview": {"userInfo": _OWNER},
}


def review_kind(group: str, plural: str) -> str | None:
    """The kind of review that a path names, None when it names none."""
    return next((kind for kind in REVIEWS.get(group, ()) if f"{kind.lower()}s" == plural), None)


def reviewed(group: str, kind: str, body: object) -> Object:
    """The answer to a review. Raises InvalidError for a body that is none."""
    if not isinstance(body, dict) or body.get("kind") not in (None, kind):
        raise refusals.bad_request(f"the body of the request is not a {kind}")
    return {
        "kind": kind,
        "apiVersion": f"{group}/v1",
        "metadata": {},
        "spec": body.get("spec") or {},
        "status": _STATUS[kind],
    }
