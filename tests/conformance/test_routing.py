"""The proxy answers as Envoy under istiod did: a sample here, all of it by `tests.conformance.routing`."""

import asyncio
import json
from pathlib import Path
from typing import Final

import pytest

from tests.conformance.routing import RECORDING, replay
from tests.kits.shared import shared

_CONFIGS: Final = ("hops", "rewrite", "merge-gw", "side-src", "outlier5")
"""Each takes a proxy of its own, which is what costs time."""


@pytest.mark.timeout(120)
def test_a_sample_of_the_recorded_cases_agrees() -> None:
    file: Path = shared(RECORDING)
    recording = json.loads(file.read_text())
    recording["cases"] = [case for case in recording["cases"] if case["config"] in _CONFIGS]
    problems = {id_: found for id_, found in asyncio.run(replay(file, recording)).items() if found}
    assert len(recording["cases"]) >= 30
    assert problems == {}
