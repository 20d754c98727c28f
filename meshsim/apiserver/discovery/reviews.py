"""Questions that clients ask of themselves: may I, what may I, who am I. Pure.

Whoever reaches this API is its owner.
"""

from collections.abc import Callable, Collection, Mapping
from typing import Final

from meshsim.api.decode import Object
from meshsim.api.loose import mapping
from meshsim.apiserver import refusals
from meshsim.apiserver.kinds.resource import Resource


def _review(group: str, kind: str) -> Resource:
    return Resource(group, "v1", f"{kind.lower()}s", kind, verbs=("create",))


REVIEWS: Final = (
    _review("authorization.k8s.io", "SelfSubjectAccessReview"),
    _review("authorization.k8s.io", "SelfSubjectRulesReview"),
    _review("authorization.k8s.io", "SubjectAccessReview"),
    _review("authentication.k8s.io", "SelfSubjectReview"),
    _review("authentication.k8s.io", "TokenReview"),
)
"""Resources that can only be created: the answer is in the status, and nothing is stored."""
_EVERYTHING: Final[Object] = {
    "resourceRules": [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}],
    "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}],
    "incomplete": False,
}
_OWNER: Final[Object] = {"username": "meshsim", "groups": ["system:masters", "system:authenticated"]}
_SERVER: Final[Object] = {"username": "system:apiserver", "groups": ["system:masters"]}
_STATUS: Final[Mapping[str, Object]] = {
    "SelfSubjectAccessReview": {"allowed": True},
    "SubjectAccessReview": {"allowed": True},
    "SelfSubjectRulesReview": _EVERYTHING,
    "SelfSubjectReview": {"userInfo": _OWNER},
}


def review_at(group: str, version: str, plural: str) -> Resource | None:
    """The review that a path names, None when it names none."""
    return next((one for one in REVIEWS if (one.group, one.version, one.plural) == (group, version, plural)), None)


Redeem = Callable[[str, Collection[str]], str]
"""Which of these audiences a token is for; empty when it is none of ours."""


def reviewed(review: Resource, body: object, redeem: Redeem) -> Object:
    """The answer to a review. Raises InvalidError for a body that is none."""
    if not isinstance(body, dict) or body.get("kind") not in (None, review.kind):
        raise refusals.bad_request(f"the body of the request is not a {review.kind}")
    spec = mapping(body.get("spec"))
    return {
        "kind": review.kind,
        "apiVersion": f"{review.group}/{review.version}",
        "metadata": {},
        "spec": spec,
        "status": _of_token(spec, redeem) if review.kind == "TokenReview" else _STATUS[review.kind],
    }


def _of_token(spec: Object, redeem: Redeem) -> Object:
    """Of tokens that this server sends to nodes; who else may ask is for nobody else to know."""
    audiences = [str(each) for each in spec.get("audiences") or ()]
    audience = redeem(str(spec.get("token") or ""), audiences)
    if not audience:
        return {"authenticated": False, "user": {}, "error": "the token is not one of this server's"}
    return {"authenticated": True, "user": _SERVER, "audiences": [audience]}
