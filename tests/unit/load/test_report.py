"""Samples summed up by version."""

from meshsim.load.report import report_of
from meshsim.load.samples import Sample, Tallies


def _tallies(*samples: Sample) -> Tallies:
    tallies = Tallies()
    tallies.add_all(samples)
    return tallies


def test_a_version_has_a_row_with_its_share_and_rate() -> None:
    report = report_of(_tallies(*[Sample(0, 0.001, 200, "v2")] * 1, *[Sample(0, 0.002, 200, "v1")] * 3), duration_s=2.0)
    assert [(row.version, row.requests, row.share, row.rps) for row in report.rows] == [
        ("v1", 3, 0.75, 1.5),
        ("v2", 1, 0.25, 0.5),
    ]
    assert (report.requests, report.failed, report.rps) == (4, 0, 2.0)


def test_no_answer_and_answers_of_4xx_and_5xx_are_failures_by_reason() -> None:
    report = report_of(
        _tallies(
            Sample(0, 0.1, 503, "v1"),
            Sample(0, 0.1, 404, "v1"),
            Sample(0, 0.1, 302, "v1"),
            Sample(0, 0.1, error="timeout"),
            Sample(0, 0.1, error="timeout"),
        ),
        duration_s=1.0,
    )
    assert report.failures == {"404": 1, "503": 1, "timeout": 2}
    assert [(row.version, row.failed) for row in report.rows] == [("v1", 2), ("", 2)]


def test_a_run_without_requests_has_no_rows() -> None:
    report = report_of(Tallies(), 1.0)
    assert (report.requests, report.rps, report.rows) == (0, 0.0, ())
