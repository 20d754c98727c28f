"""What a request asks for besides its path: the query parameters and DeleteOptions of Kubernetes' API. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from meshsim.apiserver import refusals
from meshsim.apiserver.writing.admission import FieldValidation
from meshsim.apiserver.writing.deletion import POLICIES, DeleteOptions

_TRUE: Final = frozenset({"1", "t", "T", "true", "True", "TRUE"})
_MAX_MANAGER: Final = 128
Query = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class WatchOptions:
    """How to watch; without a version first everything there is, without a timeout as long as the server likes."""

    version: int | None
    timeout_s: float | None
    bookmarks: bool
    initial_events: bool
    """Tell by a bookmark when all that was there at first has been told (WatchList)."""


def is_set(query: Query, name: str) -> bool:
    """Whether a parameter says yes, in any of the ways that Go's ParseBool knows."""
    return query.get(name) in _TRUE


def is_dry_run(query: Query) -> bool:
    """Whether the write is only tried. Raises InvalidError for a dry run of another kind than All."""
    asked = query.get("dryRun", "")
    if asked not in ("", "All"):
        raise refusals.bad_request(f'dryRun: Unsupported value: "{asked}": supported values: "All"')
    return asked == "All"


def listed_version(query: Query, current: int) -> None:
    """Check the version that a list asks for: the newest is always served. Raises ApiError for one from the future."""
    asked = _version(query)
    if asked is not None and asked > current:
        raise refusals.too_large_version(asked, current)


def watch_options(query: Query) -> WatchOptions:
    """The parameters of a watch. Raises InvalidError."""
    timeout = query.get("timeoutSeconds", "")
    if timeout and not (timeout.isascii() and timeout.isdigit()):
        raise refusals.bad_request(f'timeoutSeconds: "{timeout}" is not a number of seconds')
    initial_events = is_set(query, "sendInitialEvents")
    match = query.get("resourceVersionMatch", "")
    if "sendInitialEvents" in query and match != "NotOlderThan":
        raise refusals.unprocessable(
            "resourceVersionMatch: Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"
        )
    version = None if initial_events else _version(query)
    bookmarks = is_set(query, "allowWatchBookmarks")
    return WatchOptions(version, float(timeout) if timeout else None, bookmarks, initial_events)


def limit(query: Query) -> int:
    """How many objects a page of a list may have, 0 for all. Raises InvalidError."""
    text = query.get("limit", "0")
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise refusals.bad_request(f'limit: Invalid value: "{text}": must be a number of objects')
    return int(text)


def manager(query: Query, user_agent: str) -> str:
    """Whose the fields are that a write changes: the named manager's, or else the program's."""
    name = query.get("fieldManager") or user_agent.partition("/")[0]
    return "".join(letter for letter in name if letter.isprintable())[:_MAX_MANAGER] or "unknown"


def field_validation(query: Query) -> FieldValidation:
    """What to do about unknown fields; a warning unless the client says otherwise. Raises InvalidError."""
    text = query.get("fieldValidation") or FieldValidation.WARN
    try:
        return FieldValidation(text)
    except ValueError:
        supported = '"Ignore", "Warn", "Strict"'
        problem = f'fieldValidation: Unsupported value: "{text}": supported values: {supported}'
        raise refusals.bad_request(problem) from None


def _version(query: Query) -> int | None:
    """The asked resourceVersion; None for "newest" and "any", which are the same here."""
    text = query.get("resourceVersion", "")
    if text in ("", "0"):
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 19):
        raise refusals.bad_request(f'resourceVersion: Invalid value: "{text}": strconv.ParseUint: invalid syntax')
    return int(text)


def delete_options(query: Query, body: object) -> DeleteOptions:
    """How to delete, from the body's DeleteOptions or else from the query. Raises InvalidError."""
    if body is not None and not isinstance(body, dict):
        raise refusals.bad_request("the body of a deletion is a DeleteOptions object")
    said = body or {}
    propagation = said.get("propagationPolicy") or query.get("propagationPolicy")
    if not propagation:
        orphan = said.get("orphanDependents") is True or is_set(query, "orphanDependents")
        propagation = "Orphan" if orphan else "Background"
    if propagation not in POLICIES:
        supported = '"Foreground", "Background", "Orphan"'
        raise refusals.bad_request(
            f'propagationPolicy: Unsupported value: "{propagation}": supported values: {supported}'
        )
    preconditions = said.get("preconditions", {})
    if not isinstance(preconditions, dict):
        raise refusals.bad_request("preconditions is an object")
    return DeleteOptions(
        propagation=propagation,
        grace_s=_grace_s(said.get("gracePeriodSeconds", query.get("gracePeriodSeconds"))),
        uid=str(preconditions.get("uid") or ""),
        version=str(preconditions.get("resourceVersion") or ""),
    )


def _grace_s(value: object) -> int | None:
    if value is None:
        return None
    text = str(value)
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise refusals.bad_request(f"gracePeriodSeconds: Invalid value: {text}: must be a number of seconds")
    return int(text)
