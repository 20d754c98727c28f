"""What `meshsim load` says below its table."""

import pytest

from meshsim.cli.load import hint_of
from meshsim.load.report import report_of
from meshsim.load.samples import Sample, Tallies


def _hint(*samples: Sample) -> str | None:
    tallies = Tallies()
    for sample in samples:
        tallies.add(sample)
    return hint_of(report_of(tallies, 1.0), "nobody")


@pytest.mark.parametrize(
    ("sample", "hint"),
    [
        (Sample(0, 0.1, status=503), "Nobody answers for nobody"),
        (Sample(0, 0.1, status=404), "No route of nobody"),
        (Sample(0, 0.1, error="connection refused"), "Nobody listens there"),
    ],
)
def test_a_load_that_reached_nothing_is_told_where_to_look(sample: Sample, hint: str) -> None:
    said = _hint(sample, sample)

    assert said is not None
    assert said.startswith(hint)


def test_failures_among_answers_and_of_several_kinds_are_left_to_the_table() -> None:
    failed = Sample(0, 0.1, status=503)

    assert _hint(failed, Sample(0, 0.1, status=200, version="v1")) is None
    assert _hint(failed, Sample(0, 0.1, status=404)) is None
    assert _hint(Sample(0, 0.1, status=503, version="v2")) is None
