"""The proxy answers as Envoy under istiod did: a sample here, all of it by `tests.conformance.routing`."""

import asyncio
from pathlib import Path
from typing import Final

import pytest

from tests.conformance.recordings import read_recording
from tests.conformance.routing import RECORDING, replay
from tests.kits.shared import shared

_CONFIGS: Final = ("hops", "rewrite", "merge-gw", "side-src", "outlier5")
"""Each takes a proxy of its own, which is what costs time."""
_RECORDED: Final = Path(__file__).with_name("routing_recorded.json.xz")
_RANDOM_CONFIGS: Final = ("m43-61", "m42-72", "m41-42", "m41-61", "m43-35", "m43-79", "m41-71", "m41-20")
_MORE: Final = Path(__file__).with_name("routing_more.json")
_MORE_CONFIGS: Final = ("cb", "cb-req", "more-direct", "more-formats", "more-registry-only")


def _problems(file: Path, configs: tuple[str, ...]) -> dict[str, list[str]]:
    recording = read_recording(file)
    recording["cases"] = [case for case in recording["cases"] if case["config"] in configs]
    assert {case["config"] for case in recording["cases"]} == set(configs)
    return {id_: found for id_, found in asyncio.run(replay(file, recording)).items() if found}


@pytest.mark.timeout(120)
def test_a_sample_of_the_recorded_cases_agrees() -> None:
    assert _problems(shared(RECORDING), _CONFIGS) == {}


@pytest.mark.timeout(120)
def test_a_sample_of_the_answers_to_random_configurations_agrees() -> None:
    assert _problems(_RECORDED, _RANDOM_CONFIGS) == {}


@pytest.mark.timeout(120)
def test_a_sample_of_what_the_specification_says_beyond_them_holds() -> None:
    assert _problems(_MORE, _MORE_CONFIGS) == {}
