"""Unit tests of passes: good for one node, once, and not for long."""

import pytest

from meshsim.apiserver.pods.passes import Passes
from meshsim.kit.clock import VirtualClock


def test_a_pass_is_good_once() -> None:
    passes = Passes(VirtualClock())
    token = passes.issue("a")
    assert passes.redeem(token, ["node/a", "else"]) == "node/a"
    assert passes.redeem(token, ["node/a"]) == ""


def test_a_pass_is_no_good_for_another_node_and_stays_good_for_its_own() -> None:
    passes = Passes(VirtualClock())
    token = passes.issue("a")
    assert passes.redeem(token, ["node/b"]) == ""
    assert passes.redeem(token, []) == ""
    assert passes.redeem(token, ["node/a"]) == "node/a"


def test_what_is_no_pass_is_nobodys() -> None:
    passes = Passes(VirtualClock())
    passes.issue("a")
    assert passes.redeem("", ["node/a", ""]) == ""
    assert passes.redeem("guess", ["node/a", ""]) == ""


@pytest.mark.asyncio
async def test_a_pass_is_not_good_for_long() -> None:
    clock = VirtualClock()
    passes = Passes(clock)
    tokens = [passes.issue("a"), passes.issue("a")]
    await clock.advance(29.0)
    assert passes.redeem(tokens[0], ["node/a"]) == "node/a"
    await clock.advance(2.0)
    assert passes.redeem(tokens[1], ["node/a"]) == ""


def test_no_two_passes_are_the_same() -> None:
    passes = Passes(VirtualClock())
    assert len({passes.issue("a") for _ in range(100)}) == 100
