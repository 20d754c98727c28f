"""Holds what a routing case showed against what it expects. Every expectation is understood, or the case fails."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

Seen = dict[str, list[dict[str, Any]]]
"""What each workload received."""


@dataclass(frozen=True, slots=True)
class Response:
    """One response as the client saw it, and its line in the access log."""

    status: int
    headers: dict[str, str]
    body: str
    elapsed_s: float
    log: dict[str, Any]

    @property
    def backend(self) -> str | None:
        """The workload that answered."""
        return self.headers.get("x-backend")


@dataclass(frozen=True, slots=True)
class Outcome:
    """Everything that a case showed."""

    responses: list[Response]
    seen: Seen
    attempts: int

    @property
    def last(self) -> Response:
        """The last response."""
        return self.responses[-1]


def disagreements(expect: dict[str, Any], outcome: Outcome) -> Iterator[str]:
    """What differs from the expectation, in words."""
    for key, wanted in expect.items():
        check = _CHECKS.get(key)
        if check is None:
            yield f'the expectation "{key}" is not understood'
        else:
            yield from (f"{key}: {problem}" for problem in check(wanted, outcome, expect))


def _judged(outcome: Outcome, expect: dict[str, Any]) -> list[Response]:
    """The responses that have to look alike: the last one where several statuses are expected."""
    return outcome.responses[-1:] if "statuses" in expect else outcome.responses


def _status(wanted: int, outcome: Outcome, expect: dict[str, Any]) -> Iterator[str]:
    for response in _judged(outcome, expect):
        if response.status != wanted:
            yield f"{response.status}, not {wanted}"


def _backend(wanted: str | None, outcome: Outcome, _: dict[str, Any]) -> Iterator[str]:
    for response in outcome.responses:
        if response.backend != wanted:
            yield f"{response.backend}, not {wanted}"


def _body(wanted: str, outcome: Outcome, _: dict[str, Any]) -> Iterator[str]:
    if outcome.last.body != wanted:
        yield f"{outcome.last.body!r}, not {wanted!r}"


def _log(key: str) -> Any:
    def check(wanted: str, outcome: Outcome, expect: dict[str, Any]) -> Iterator[str]:
        for response in _judged(outcome, expect):
            found = response.log.get(key) or "-"
            if found != wanted:
                yield f"{found}, not {wanted}"

    return check


def _response_headers(wanted: dict[str, Any], outcome: Outcome, _: dict[str, Any]) -> Iterator[str]:
    headers = outcome.last.headers
    yield from _headers(wanted, {name: [value] for name, value in headers.items()})


def _upstream(wanted: dict[str, Any], outcome: Outcome, _: dict[str, Any]) -> Iterator[str]:
    backend = outcome.last.backend
    requests = outcome.seen.get(backend, []) if backend else [r for seen in outcome.seen.values() for r in seen]
    if not requests:
        yield "no upstream saw the request"
        return
    yield from _received(wanted, requests[-1])


def _seen_by(wanted: dict[str, Any], outcome: Outcome, _: dict[str, Any]) -> Iterator[str]:
    for workload, expected in wanted.items():
        requests = outcome.seen.get(workload)
        if not requests:
            yield f"{workload} saw nothing"
        else:
            yield from _received(expected, requests[-1])


def _received(wanted: dict[str, Any], request: dict[str, Any]) -> Iterator[str]:
    for key, value in wanted.items():
        if key == "headers":
            found: dict[str, list[str]] = {}
            for name, text in request["headers"]:
                found.setdefault(name, []).append(text)
            yield from _headers(value, found)
        elif key not in request:
            yield f'"{key}" is not understood'
        elif not _matches(value, str(request[key]) if isinstance(value, str) else request[key]):
            yield f"{key} {request[key]!r}, not {value!r}"


def _headers(wanted: dict[str, Any], found: dict[str, list[str]]) -> Iterator[str]:
    for name, value in wanted.items():
        values = found.get(name.lower(), [])
        if value is None:
            if values:
                yield f"{name} {values} should be absent"
        elif isinstance(value, list):
            if values != value:
                yield f"{name} {values}, not {value}"
        elif not values or not _matches(value, ", ".join(values)):
            yield f"{name} {values}, not {value!r}"


def _matches(wanted: Any, found: Any) -> bool:
    if wanted == "*":
        return True
    if isinstance(wanted, str) and wanted.startswith("~"):
        return re.fullmatch(wanted[1:], found) is not None
    return bool(wanted == found)


def _counted(wanted: dict[str, Any], counts: "Counter[str]") -> Iterator[str]:
    for key, value in wanted.items():
        low, high = value if isinstance(value, list) else (value, value)
        if not low <= counts[key] <= high:
            yield f"{key} {counts[key]} times, not {value}; all: {dict(counts)}"


def _hits(wanted: dict[str, Any], outcome: Outcome, _: dict[str, Any]) -> Iterator[str]:
    counts = Counter({workload: len(requests) for workload, requests in outcome.seen.items()})
    if not wanted and counts.total():
        yield f"{dict(counts)}, not none"
    yield from _counted(wanted, counts)


def _distribution(wanted: dict[str, Any], outcome: Outcome, _: dict[str, Any]) -> Iterator[str]:
    yield from _counted(wanted, Counter(response.backend or "" for response in outcome.responses))


def _statuses(wanted: dict[str, Any], outcome: Outcome, _: dict[str, Any]) -> Iterator[str]:
    yield from _counted(wanted, Counter(str(response.status) for response in outcome.responses))


def _attempts(wanted: int, outcome: Outcome, _: dict[str, Any]) -> Iterator[str]:
    if outcome.attempts != wanted:
        yield f"{outcome.attempts}, not {wanted}"


def _single_backend(wanted: bool, outcome: Outcome, _: dict[str, Any]) -> Iterator[str]:
    backends = {response.backend for response in outcome.responses}
    if (len(backends) == 1 and None not in backends) is not wanted:
        yield f"{backends}"


def _min_elapsed(wanted: float, outcome: Outcome, _: dict[str, Any]) -> Iterator[str]:
    if outcome.last.elapsed_s < wanted:
        yield f"{outcome.last.elapsed_s:.3f} s, not at least {wanted}"


def _max_elapsed(wanted: float, outcome: Outcome, _: dict[str, Any]) -> Iterator[str]:
    if outcome.last.elapsed_s > wanted:
        yield f"{outcome.last.elapsed_s:.3f} s, not at most {wanted}"


_CHECKS: Final[dict[str, Any]] = {
    "status": _status,
    "backend": _backend,
    "body": _body,
    "response_flags": _log("response_flags"),
    "response_code_details": _log("response_code_details"),
    "cluster": _log("upstream_cluster"),
    "response_headers": _response_headers,
    "upstream": _upstream,
    "seen_by": _seen_by,
    "hits": _hits,
    "distribution": _distribution,
    "statuses": _statuses,
    "attempts": _attempts,
    "single_backend": _single_backend,
    "min_elapsed_s": _min_elapsed,
    "max_elapsed_s": _max_elapsed,
}
