"""The demo's last word: weight against observed share per step, and whether anything went wrong. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from rich.table import Table
from rich.text import Text

from meshsim.cli.live.cluster import Seen
from meshsim.cli.live.spans import Observation

CONFIDENCE: Final = 0.999
_GOOD: Final = "green"
_BAD: Final = "bold red"
_DIM: Final = "grey62"


@dataclass(frozen=True, slots=True)
class StepResult:
    """What one standstill of the weights showed; shares from 0 to 1."""

    step: str
    version: str
    weight: float
    observed: float
    low: float
    """The band that chance gives with a confidence of 99.9 %, in shares."""
    high: float
    requests: int
    dispersion: float | None
    """About 1 for independent draws; null when there were too few requests to tell, or nothing to draw."""
    is_chance: bool
    """The share lies inside the band, and the order of requests is neither more regular nor lumpier than chance."""


@dataclass(frozen=True, slots=True)
class Closing:
    """How the demo ended."""

    phase: str
    steps: tuple[StepResult, ...]
    requests: int
    failed: int
    failures: Mapping[str, int]
    upstream_attempts: int | None
    """How often the proxy sent a request to a pod, null when it doesn't say: more than `requests` means retries."""
    pods: Mapping[str, int]
    """Pods left, by version."""
    old_pods_gone_after_s: float | None
    """Real seconds from Healthy to the end of the last old pod; null when one is left."""
    elapsed_s: float
    problems: tuple[str, ...]
    """One sentence for each thing that is not as it should be."""

    @property
    def is_good(self) -> bool:
        """The release went as it should."""
        return not self.problems


def step_result(title: str, seen: Observation) -> StepResult:
    """An observation as a row of the closing table."""
    requests = max(seen.requests, 1)
    return StepResult(
        step=title,
        version=seen.version,
        weight=round(seen.share, 6),
        observed=round(seen.observed, 6),
        low=round(seen.band.low / requests, 6),
        high=round(seen.band.high / requests, 6),
        requests=seen.requests,
        dispersion=round(seen.regularity.dispersion, 3) if seen.regularity else None,
        is_chance=seen.is_chance,
    )


def problems_of(seen: Seen | None, new: str, failed: int) -> Iterator[str]:
    """What keeps a demo from being good."""
    if seen is None:
        yield "there is no rollout"
        return
    if seen.phase != "Healthy":
        yield f"the rollout is {seen.phase}, not Healthy"
    ready = seen.ready.get(new, 0)
    if ready != seen.replicas:
        yield f"{ready} pods of {new} are ready, not {seen.replicas}"
    for version, count in seen.pods.items():
        if version != new and count:
            yield f"{count} pods of {version} are left"
    if failed:
        yield f"{failed} requests failed"


def closing_table(closing: Closing) -> Table:
    """The rows, for people."""
    table = Table(box=None, header_style=_DIM, padding=(0, 3, 0, 0))
    table.add_column("STEP")
    for name in ("WEIGHT", "OBSERVED", "99.9% BAND", "REQUESTS", "SPREAD"):
        table.add_column(name, justify="right")
    table.add_column("")
    for one in closing.steps:
        table.add_row(
            one.step,
            f"{one.version} {one.weight:.0%}",
            f"{one.observed:.2%}",
            f"{one.low:.1%} – {one.high:.1%}",
            f"{one.requests:,}",
            "–" if one.dispersion is None else f"{one.dispersion:.2f}",
            Text("✔ as configured", style=_GOOD) if one.is_chance else Text("✖ not by chance", style=_BAD),
        )
    return table


def closing_lines(closing: Closing) -> Sequence[Text]:
    """What stands below the table."""
    attempts = closing.upstream_attempts
    retries = None if attempts is None else attempts - closing.requests
    hidden = (
        ""
        if retries is None
        else f", sent to pods {attempts:,} times: "
        + ("no retry hid a failure" if retries == 0 else f"{retries} more than asked for")
    )
    pods = ", ".join(f"{count} {version}" for version, count in closing.pods.items()) or "none"
    gone = closing.old_pods_gone_after_s
    lines = [
        Text("spread: about 1 for independent draws, near 0 for a round robin", style=_DIM),
        Text(),
        Text(f"{closing.requests:,} requests, {closing.failed} failed{hidden}"),
        Text(f"pods left: {pods}" + ("" if gone is None else f", the last old one {gone:.1f} s after Healthy")),
    ]
    lines += [Text(f"  {reason}: {count}", style=_BAD) for reason, count in closing.failures.items()]
    lines += [Text(f"✖ {problem}", style=_BAD) for problem in closing.problems]
    if closing.is_good:
        lines.append(Text(f"✔ {closing.phase}, in {closing.elapsed_s:.0f} s", style=_GOOD))
    return lines
