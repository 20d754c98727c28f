"""The demo's last word."""

from dataclasses import replace
from io import StringIO

import pytest
from rich.console import Console

from meshsim.cli.live.closing import Closing, closing_lines, closing_table, problems_of, step_result
from meshsim.cli.live.cluster import Seen
from meshsim.cli.live.spans import Span, observe
from meshsim.kit.chance import draws
from meshsim.load.samples import Sample
from tests.kits.scenes import scene


def _seen(phase: str = "Healthy", **counts: int) -> Seen:
    view = scene().rollout
    assert view is not None
    return Seen(
        view=replace(view, phase=phase),
        wanted="v2",
        split={"v2": 1.0},
        weights={},
        ready={version: count for version, count in counts.items() if version == "v2"},
        pods=counts,
    )


def _closing(**changes: object) -> Closing:
    draw = draws(1)
    samples = [Sample(at / 200, 0.001, 200, "v2" if draw() < 0.34 else "v1") for at in range(1200)]
    good = Closing(
        phase="Healthy",
        steps=(step_result("5 pause 60s", observe(samples, Span("", {"v1": 0.66, "v2": 0.34}, 0.0), "v2", 0.999)),),
        requests=6000,
        failed=0,
        failures={},
        upstream_attempts=6000,
        pods={"v2": 6},
        old_pods_gone_after_s=1.25,
        elapsed_s=29.4,
        problems=(),
    )
    return replace(good, **changes)  # type: ignore[arg-type]


def _printed(closing: Closing) -> str:
    console = Console(file=StringIO(), width=160, color_system=None)
    with console.capture() as capture:
        console.print(closing_table(closing))
        for line in closing_lines(closing):
            console.print(line)
    return capture.get()


def test_a_good_end_has_no_problems() -> None:
    assert list(problems_of(_seen(v2=6, v1=0), "v2", 0)) == []


@pytest.mark.parametrize(
    ("seen", "failed", "problem"),
    [
        (None, 0, "there is no rollout"),
        (_seen("Degraded", v2=6), 0, "the rollout is Degraded, not Healthy"),
        (_seen(v2=5), 0, "5 pods of v2 are ready, not 6"),
        (_seen(v2=6, v1=1), 0, "1 pods of v1 are left"),
        (_seen(v2=6), 3, "3 requests failed"),
    ],
)
def test_each_problem_is_one_sentence(seen: Seen | None, failed: int, problem: str) -> None:
    assert list(problems_of(seen, "v2", failed)) == [problem]


def test_the_table_sets_weight_against_observed_share() -> None:
    header, row, *rest = _printed(_closing()).splitlines()
    assert header.split() == ["STEP", "WEIGHT", "OBSERVED", "99.9%", "BAND", "REQUESTS", "SPREAD"]
    assert row.split()[:5] == ["5", "pause", "60s", "v2", "34%"]
    assert "✔ as configured" in row
    assert rest == [
        "spread: about 1 for independent draws, near 0 for a round robin",
        "",
        "6,000 requests, 0 failed, sent to pods 6,000 times: no retry hid a failure",
        "pods left: 6 v2, the last old one 1.2 s after Healthy",
        "✔ Healthy, in 29 s",
    ]


def test_retries_failures_and_problems_are_told() -> None:
    said = _printed(
        _closing(upstream_attempts=6003, failed=2, failures={"503": 2}, problems=("2 requests failed",), pods={})
    )
    assert "sent to pods 6,003 times: 3 more than asked for" in said
    assert "  503: 2" in said
    assert "✖ 2 requests failed" in said
    assert "pods left: none" in said
    assert "✔ Healthy" not in said
