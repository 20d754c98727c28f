"""Is the observed split the configured one? A witness of its own: it shares no code with what it judges.

`python -m loadtest.check REPORT.json v1=66 v2=34` reads the report of a run (`--report`) and ends with 0 when every
version's share is one that chance gives, 1 when it isn't.
"""

import argparse
import json
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


def p_value(count: int, requests: int, share: float) -> float:
    """How likely independent draws are to be at least as far off as `count` of `requests` is, on either side.

    The exact binomial test with equal tails: twice the smaller tail, `count` included, at most 1.
    """
    if share in (0, 1):
        return 1.0 if count == requests * share else 0.0
    lower = _tail(range(count, -1, -1), requests, share)
    upper = _tail(range(count, requests + 1), requests, share)
    return min(1.0, 2 * min(lower, upper))


def _tail(counts: range, requests: int, share: float) -> float:
    """The chance of all those counts together."""
    return math.fsum(
        math.exp(
            math.lgamma(requests + 1)
            - math.lgamma(count + 1)
            - math.lgamma(requests - count + 1)
            + count * math.log(share)
            + (requests - count) * math.log1p(-share)
        )
        for count in counts
    )


@dataclass(frozen=True)
class Finding:
    """One version: what was configured, what was seen, and how likely that is by chance."""

    version: str
    share: float
    count: int
    requests: int
    p: float

    def __str__(self) -> str:
        observed = self.count / self.requests if self.requests else 0.0
        return (
            f"{self.version}: {self.count} of {self.requests} requests, {observed:.2%}, configured {self.share:.2%}, "
            f"p = {self.p:.2g}"
        )


def check(counts: Mapping[str, int], weights: Mapping[str, float]) -> list[Finding]:
    """Compare the requests each version answered with the weights; weights are relative, a missing one is 0.

    Raises ValueError when no weight is above zero.
    """
    total = sum(weights.values())
    if total <= 0 or min(weights.values()) < 0:
        raise ValueError("weights are numbers, none below zero and one above")
    requests = sum(counts.values())
    versions = [*weights, *(version for version in counts if version not in weights)]
    findings = []
    for version in versions:
        share, count = weights.get(version, 0.0) / total, counts.get(version, 0)
        findings.append(Finding(version, share, count, requests, p_value(count, requests, share)))
    return findings


def counts_of(report: object) -> dict[str, int]:
    """Requests by version in a report: what `--report` of the locustfile and `meshsim load -o json` write.

    Raises ValueError for anything else.
    """
    try:
        return {str(row["version"]): int(row["requests"]) for row in report["rows"]}  # type: ignore[index]
    except (KeyError, TypeError, ValueError):
        raise ValueError("not a report of a load run") from None


def main(arguments: Sequence[str]) -> int:
    """Run the check; returns the exit code: 0 the configured split, 1 another one, 2 no answer."""
    parser = argparse.ArgumentParser(prog="python -m loadtest.check", description="Is the split the configured one?")
    parser.add_argument("report", help="a report of a load run, - for stdin")
    parser.add_argument("weights", nargs="+", metavar="VERSION=WEIGHT", help="the configured split, as in v1=66 v2=34")
    parser.add_argument(
        "--confidence", type=float, default=0.999, help="how rarely chance alone may fail this (default 0.999)"
    )
    flags = parser.parse_args(arguments)
    if not 0 < flags.confidence < 1:
        parser.error("--confidence lies between 0 and 1")
    try:
        text = sys.stdin.read() if flags.report == "-" else Path(flags.report).read_text(encoding="utf-8")
        findings = check(counts_of(json.loads(text)), dict(map(_weight_of, flags.weights)))
    except (OSError, ValueError) as error:
        print(f"Error: {error}", file=sys.stderr)
        return 2
    for finding in findings:
        print(finding)
    if all(finding.p > 1 - flags.confidence for finding in findings):
        return 0
    print(f"not the configured split: chance gives this less than once in {1 / (1 - flags.confidence):.0f} times")
    return 1


def _weight_of(text: str) -> tuple[str, float]:
    version, _, weight = text.rpartition("=")
    if not version:
        raise ValueError(f'"{text}" is not VERSION=WEIGHT')
    return version, float(weight)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
