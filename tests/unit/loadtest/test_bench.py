"""From rounds of load to the figures of a benchmark."""

from pathlib import Path

from loadtest.bench.peers import PEERS, UPSTREAM, filled, write_config
from loadtest.bench.results import Round, figures, table


def a_round(cpu_us: float, *, p99_ms: float = 4.0, failed: int = 0) -> Round:
    return Round(per_s=1000.0, p50_ms=1.0, p99_ms=p99_ms, cpu_us=cpu_us, rss_mb=40.0, failed=failed)


def test_a_figure_is_the_median_of_its_rounds() -> None:
    rows = figures({"envoy": [a_round(40), a_round(90), a_round(50)]}, ["envoy"])

    assert rows["envoy"].cpu_us == 50


def test_a_ratio_is_the_median_of_ratios_of_rounds_that_ran_side_by_side() -> None:
    # The machine was twice as slow for the last round, for both.
    rounds = {"meshsim": [a_round(20), a_round(22), a_round(40)], "envoy": [a_round(40), a_round(40), a_round(80)]}

    assert figures(rounds, ["envoy"])["meshsim"].cpu_ratios == {"envoy": 0.5}


def test_a_reference_that_did_not_run_has_no_column() -> None:
    rows = figures({"meshsim": [a_round(20)], "envoy": [a_round(40)]}, ["envoy", "nginx"])

    assert "CPU ÷ envoy" in table(rows, ["envoy", "nginx"])
    assert "nginx" not in table(rows, ["envoy", "nginx"])


def test_the_table_lists_the_cheapest_first_and_says_what_failed() -> None:
    rows = figures({"envoy": [a_round(40)], "meshsim": [a_round(20, failed=3)]}, ["envoy"])

    _, _, first, second = table(rows, ["envoy"]).splitlines()
    assert first.startswith("| meshsim (3 failed) |")
    assert second.startswith("| envoy ")


def test_every_configuration_is_filled_in(tmp_path: Path) -> None:
    names = ("PORT", "STABLE_1", "STABLE_2", "CANARY_1", "CANARY_2", "DIR", "CONFIG")
    values = dict.fromkeys(names, "1")

    for peer in (*PEERS, UPSTREAM):
        texts = [filled(argument, values) for argument in peer.arguments]
        if peer.config:
            texts.append(write_config(peer.config, tmp_path, values).read_text())
        assert not [name for name in names for text in texts if f"@{name}@" in text]
