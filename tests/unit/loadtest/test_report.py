"""The rows at the end of a run."""

from loadtest.check import counts_of
from loadtest.report import Row, report, table

_ROWS = [Row("v1", 660, 0.66, 0, 1.0, 12.5), Row("(none)", 340, 0.34, 340, 3.0, 10.0)]


def test_a_row_per_version_in_columns() -> None:
    assert table(_ROWS).splitlines() == [
        "VERSION   REQUESTS   SHARE   FAILED   P50   P99",
        "v1        660        66.0%   0        1ms   12.5ms",
        "(none)    340        34.0%   340      3ms   10ms",
    ]


def test_the_check_reads_what_the_report_writes() -> None:
    assert counts_of(report(_ROWS)) == {"v1": 660, "(none)": 340}
