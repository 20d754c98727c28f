"""The proxy treats the recorded bytes as Envoy did, but for the cases where it is meant to be stricter."""

import asyncio

import pytest

from tests.conformance.cases import deliberate_differences
from tests.conformance.protocol import RECORDING, replay
from tests.conformance.recordings import read_recording

_STRICTER = {"obs-fold", "bare-LF", "LF-only-all", "bare-CR-in-header", "two-hosts", "host-with-userinfo"}


@pytest.mark.timeout(60)
def test_every_recorded_case_agrees_or_is_stricter_on_purpose() -> None:
    outcomes = asyncio.run(replay(read_recording(RECORDING)))

    assert len(outcomes) == 84
    different = {id_: problems for id_, problems in outcomes.items() if problems}
    assert different.keys() == _STRICTER, different
    assert deliberate_differences().keys() >= _STRICTER
    assert all(problems[0].startswith("status 400, not ") for problems in different.values())
