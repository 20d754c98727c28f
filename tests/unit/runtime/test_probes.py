"""Unit tests of what probe results mean."""

import pytest

from meshsim.api.core import Container, ContainerPort, Probe
from meshsim.runtime.containers.probes import Verdict, port_number


def verdicts(results: str, probe: Probe, start: Verdict) -> str:
    """`+` and `-` in, what was thought after each out."""
    thought = ""
    for result in results:
        start = start.after(result == "+", probe)
        thought += "+" if start.passing else "-"
    return thought


@pytest.mark.parametrize(
    ("probe", "passing", "results", "thought"),
    [
        (Probe(), False, "-+", "-+"),
        (Probe(), True, "--+---", "++++" + "+-"),
        (Probe(failure_threshold=1), True, "-+", "-+"),
        (Probe(success_threshold=3), False, "++-+++", "-----+"),
        (Probe(success_threshold=2, failure_threshold=2), True, "-+--+-++", "+++----+"),
    ],
    ids=["first success", "third failure in a row", "one failure", "third success in a row", "both"],
)
def test_only_a_threshold_of_equal_results_in_a_row_changes_the_verdict(
    probe: Probe, passing: bool, results: str, thought: str
) -> None:
    assert verdicts(results, probe, Verdict(passing)) == thought


@pytest.mark.parametrize("port", [8080, "8080", "http"])
def test_a_port_is_a_number_or_a_name(port: int | str) -> None:
    container = Container(name="web", ports=(ContainerPort(container_port=8080, name="http"),))
    assert port_number(port, container) == 8080


def test_a_name_that_no_port_has_is_an_error() -> None:
    with pytest.raises(LookupError, match='container web has no port named "grpc"'):
        port_number("grpc", Container(name="web"))
