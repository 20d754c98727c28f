"""From rounds to figures: medians, ratios, the table. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median


@dataclass(frozen=True, slots=True)
class Round:
    """What one round of load on one proxy gave."""

    per_s: float
    p50_ms: float
    p99_ms: float
    cpu_us: float
    """Processor time of the proxy, for each request."""
    rss_mb: float
    failed: int


@dataclass(frozen=True, slots=True)
class Figures:
    """A proxy in a scenario: the median of its rounds. Ratios are medians of the ratios round by round."""

    per_s: float
    p50_ms: float
    p99_ms: float
    cpu_us: float
    rss_mb: float
    failed: int
    cpu_ratios: Mapping[str, float]
    """Processor time a request ÷ a reference's, by the reference's name."""
    p99_ratios: Mapping[str, float]


def figures(rounds: Mapping[str, Sequence[Round]], references: Iterable[str]) -> dict[str, Figures]:
    """The figures of a scenario, by proxy. Rounds at the same place ran side by side."""
    known = [name for name in references if name in rounds]
    return {
        name: Figures(
            per_s=median(r.per_s for r in own),
            p50_ms=median(r.p50_ms for r in own),
            p99_ms=median(r.p99_ms for r in own),
            cpu_us=median(r.cpu_us for r in own),
            rss_mb=median(r.rss_mb for r in own),
            failed=sum(r.failed for r in own),
            cpu_ratios={other: _ratio([r.cpu_us for r in own], [r.cpu_us for r in rounds[other]]) for other in known},
            p99_ratios={other: _ratio([r.p99_ms for r in own], [r.p99_ms for r in rounds[other]]) for other in known},
        )
        for name, own in rounds.items()
    }


def _ratio(own: Sequence[float], other: Sequence[float]) -> float:
    pairs = [(mine, theirs) for mine, theirs in zip(own, other, strict=True) if theirs > 0]
    return median(mine / theirs for mine, theirs in pairs) if pairs else 0.0


def as_data(results: Mapping[str, Mapping[str, Figures]]) -> dict[str, object]:
    """Scenario → proxy → figures, for JSON."""
    return {scenario: {name: asdict(row) for name, row in rows.items()} for scenario, rows in results.items()}


def table(rows: Mapping[str, Figures], references: Sequence[str]) -> str:
    """The figures of a scenario in Markdown, the cheapest proxy first."""
    known = [name for name in references if name in rows]
    header = ["proxy", "requests/s", "p50 ms", "p99 ms", "CPU µs/request", "RSS MB", *(f"CPU ÷ {r}" for r in known)]
    cells = [
        header,
        ["---", *(["---:"] * (len(header) - 1))],
        *(
            [
                name if not row.failed else f"{name} ({row.failed} failed)",
                f"{row.per_s:.0f}",
                f"{row.p50_ms:.2f}",
                f"{row.p99_ms:.2f}",
                f"{row.cpu_us:.1f}",
                f"{row.rss_mb:.0f}",
                *(f"{row.cpu_ratios[reference]:.2f}" for reference in known),
            ]
            for name, row in sorted(rows.items(), key=lambda entry: entry[1].cpu_us)
        ),
    ]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ("| " + " | ".join(_padded(line, widths)) + " |" for line in cells)
    return "\n".join(lines)


def _padded(line: Sequence[str], widths: Sequence[int]) -> list[str]:
    first, *rest = (
        cell.ljust(width) if at == 0 else cell.rjust(width)
        for at, (cell, width) in enumerate(zip(line, widths, strict=True))
    )
    return [first, *rest]
