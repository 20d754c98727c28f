"""How the API says no: Status objects with Kubernetes' reasons, messages and details.

Wording and reasons are those of apimachinery's `api/errors`: clients switch on the reason, people read the message.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from meshsim.api.decode import Object
from meshsim.api.kinds import Kind
from meshsim.client.api import ApiError, error_of


@dataclass(frozen=True, slots=True)
class Cause:
    """One thing that is wrong with an object; `field` is its path, `reason` one of apimachinery's CauseTypes."""

    field: str
    message: str
    reason: str = "FieldValueInvalid"


def status_of(error: ApiError) -> Object:
    """The Status object that answers a request which failed so."""
    return error.status or _status(error.code or 500, error.reason or "InternalError", str(error), {})


def not_found(kind: Kind, name: str) -> ApiError:
    """404: no such object."""
    return _refusal(404, "NotFound", f'{kind.resource} "{name}" not found', _of(kind, name))


def no_such_path() -> ApiError:
    """404: the API serves nothing there."""
    return _refusal(404, "NotFound", "the server could not find the requested resource", {})


def method_not_allowed() -> ApiError:
    """405: the path is served, the method isn't."""
    return _refusal(405, "MethodNotAllowed", "the server does not allow this method on the requested resource", {})


def not_emulated(kind: Kind) -> ApiError:
    """405: there is no such object, and there cannot be one."""
    message = f"{kind.resource} are not emulated: nothing here would act on one"
    return _refusal(405, "MethodNotAllowed", message, {})


def already_exists(kind: Kind, name: str) -> ApiError:
    """409: the name is taken."""
    return _refusal(409, "AlreadyExists", f'{kind.resource} "{name}" already exists', _of(kind, name))


def modified(kind: Kind, name: str) -> ApiError:
    """409: the resourceVersion that the write is based on is no longer the latest."""
    return conflict(
        kind,
        name,
        "the object has been modified; please apply your changes to the latest version and try again",
    )


def conflict(kind: Kind, name: str, problem: str, causes: Sequence[Cause] = ()) -> ApiError:
    """409: the write doesn't fit what is stored."""
    message = f'Operation cannot be fulfilled on {kind.resource} "{name}": {problem}'
    return _refusal(409, "Conflict", message, _of(kind, name, causes))


def apply_conflict(message: str, causes: Sequence[Cause]) -> ApiError:
    """409: what somebody wants to apply is another manager's."""
    return _refusal(409, "Conflict", message, {"causes": _causes(causes)})


def bad_request(message: str) -> ApiError:
    """400: the request makes no sense."""
    return _refusal(400, "BadRequest", message, {})


def invalid(kind: Kind, name: str, causes: Sequence[Cause]) -> ApiError:
    """422: the object is well-formed and wrong; every cause names its field."""
    group_kind = f"{kind.kind}.{kind.group}" if kind.group else kind.kind
    lines = [f"{cause.field}: {cause.message}" if cause.field else cause.message for cause in causes]
    problem = lines[0] if len(lines) == 1 else f"[{', '.join(lines)}]"
    return _refusal(422, "Invalid", f'{group_kind} "{name}" is invalid: {problem}', _of(kind, name, causes, kind.kind))


def unprocessable(message: str) -> ApiError:
    """422: a patch that doesn't fit the object."""
    return _refusal(422, "Invalid", f"the server rejected our request due to an error in our request: {message}", {})


def forbidden(kind: Kind, name: str, problem: str, causes: Sequence[Cause] = ()) -> ApiError:
    """403: the object may not be written now."""
    return _refusal(403, "Forbidden", f'{kind.resource} "{name}" is forbidden: {problem}', _of(kind, name, causes))


def unauthorized() -> ApiError:
    """401: who asks doesn't say who they are, or not rightly."""
    return _refusal(401, "Unauthorized", "Unauthorized", {})


def no_common_protocol(message: str) -> ApiError:
    """403: none of the protocols that the client could go on with is known here."""
    return _refusal(403, "Forbidden", message, {})


def foreign(reason: str) -> ApiError:
    """403: a request that a web page elsewhere had a browser send."""
    return _refusal(403, "Forbidden", f"forbidden: {reason}", {})


def denied(message: str) -> ApiError:
    """400 without a reason: an admission webhook said no."""
    return _refusal(400, "", message, {})


def expired(message: str) -> ApiError:
    """410: that version is no longer in the history; list again."""
    return _refusal(410, "Expired", message, {})


def too_large_version(asked: int, current: int) -> ApiError:
    """504: a version from the future."""
    message = f"Too large resource version: {asked}, current: {current}"
    causes = [Cause("", "Too large resource version", "ResourceVersionTooLarge")]
    return _refusal(504, "Timeout", message, {"retryAfterSeconds": 1, "causes": _causes(causes)})


def missing(message: str) -> ApiError:
    """404: something that is no object of the API is not there."""
    return _refusal(404, "NotFound", message, {})


def unavailable(message: str) -> ApiError:
    """503: somebody this answer depends on doesn't answer."""
    return _refusal(503, "ServiceUnavailable", message, {})


def unsupported_media_type(message: str) -> ApiError:
    """415: a body in a form this API doesn't read there."""
    return _refusal(415, "UnsupportedMediaType", message, {})


def not_acceptable(message: str) -> ApiError:
    """406: an answer in a form this API doesn't write."""
    return _refusal(406, "NotAcceptable", message, {})


def too_large(message: str) -> ApiError:
    """413: more than this API reads."""
    return _refusal(413, "RequestEntityTooLarge", message, {})


def expectation_failed(expected: str) -> ApiError:
    """417: the client waits for what this API doesn't do."""
    return _refusal(417, "", f"unknown expectation: {expected}", {})


def too_many_requests(message: str, retry_after_s: int, causes: Sequence[Cause] = ()) -> ApiError:
    """429: not now; try again in that many seconds."""
    details: Object = {"retryAfterSeconds": retry_after_s} if retry_after_s else {}
    return _refusal(429, "TooManyRequests", message, details | ({"causes": _causes(causes)} if causes else {}))


def _refusal(code: int, reason: str, message: str, details: Object) -> ApiError:
    return error_of(_status(code, reason, message, details), code)


def _status(code: int, reason: str, message: str, details: Object) -> Object:
    status: Object = {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": message,
        "reason": reason,
        "code": code,
    }
    # kubectl looks into the details of a 404 without looking whether there are any.
    if details or reason == "NotFound":
        status["details"] = details
    return status


def _of(kind: Kind, name: str, causes: Sequence[Cause] = (), named: str = "") -> Object:
    details: Object = {"name": name, "group": kind.group, "kind": named or kind.plural}
    if not kind.group:
        del details["group"]
    if causes:
        details["causes"] = _causes(causes)
    return details


def _causes(causes: Sequence[Cause]) -> list[Object]:
    return [
        {"reason": cause.reason, "message": cause.message} | ({"field": cause.field} if cause.field else {})
        for cause in causes
    ]
