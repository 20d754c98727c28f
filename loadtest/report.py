"""One row per version at the end of a run. Pure."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Row:
    """One version's part of a run."""

    version: str
    requests: int
    share: float
    """Of all requests, 0 to 1."""
    failed: int
    p50_ms: float
    p99_ms: float


_HEADER = ("VERSION", "REQUESTS", "SHARE", "FAILED", "P50", "P99")


def table(rows: Sequence[Row]) -> str:
    """The rows as people read them."""
    cells = [
        _HEADER,
        *(
            (
                row.version,
                str(row.requests),
                f"{row.share:.1%}",
                str(row.failed),
                f"{row.p50_ms:g}ms",
                f"{row.p99_ms:g}ms",
            )
            for row in rows
        ),
    ]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ("   ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in cells)
    return "\n".join(line.rstrip() for line in lines)


def report(rows: Sequence[Row]) -> dict[str, object]:
    """The rows as data, in the form that `loadtest.check` reads."""
    return {
        "requests": sum(row.requests for row in rows),
        "failed": sum(row.failed for row in rows),
        "rows": [asdict(row) for row in rows],
    }
