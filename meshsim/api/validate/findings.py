"""What validation says: findings with the path of their field, collected into a verdict."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final


@dataclass(frozen=True, slots=True)
class Finding:
    """One sentence about one field. `path` reads `spec.http[0].route[1].weight`; empty means the whole object."""

    path: str
    message: str
    is_warning: bool = False
    is_listed: bool = False
    """Istio reports it as a list even when it is the only error (`1 error occurred:`)."""

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message


Findings = Iterator[Finding]
"""What a check yields, in the order in which the real program reports."""


def warning(path: str, message: str) -> Finding:
    """A finding that doesn't make the object invalid."""
    return Finding(path, message, is_warning=True)


def listed(path: str, message: str) -> Finding:
    """An error that Istio always reports as a list."""
    return Finding(path, message, is_listed=True)


def error_if(path: str, problem: str | None) -> Findings:
    """An error when there is a problem."""
    if problem:
        yield Finding(path, problem)


def errors_only(findings: Iterable[Finding]) -> Findings:
    """Without the warnings, where the real program drops them."""
    return (finding for finding in findings if not finding.is_warning)


def under(prefix: str, findings: Iterable[Finding]) -> Findings:
    """The same findings, seen from a parent: `under("spec", …)`."""
    return (replace(finding, path=join(prefix, finding.path)) for finding in findings)


def join(parent: str, child: str) -> str:
    """One path from two; an index needs no dot."""
    if not parent or not child:
        return parent or child
    return f"{parent}{child}" if child.startswith("[") else f"{parent}.{child}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The judgement of an object: valid as long as there is no error."""

    errors: tuple[Finding, ...] = ()
    warnings: tuple[Finding, ...] = ()

    @property
    def is_valid(self) -> bool:
        """No errors."""
        return not self.errors

    @property
    def sentence(self) -> str:
        """All errors as one text, the way Istio joins them: alone, or `N errors occurred:` and a list."""
        if len(self.errors) == 1 and not self.errors[0].is_listed:
            return self.errors[0].message
        if not self.errors:
            return ""
        count = "1 error" if len(self.errors) == 1 else f"{len(self.errors)} errors"
        lines = "\n\t".join(f"* {error.message}" for error in self.errors)
        return f"{count} occurred:\n\t{lines}\n\n"


VALID: Final = Verdict()


def verdict_of(findings: Iterable[Finding]) -> Verdict:
    """Errors and warnings apart, each in order."""
    every = tuple(findings)
    return Verdict(tuple(f for f in every if not f.is_warning), tuple(f for f in every if f.is_warning))
