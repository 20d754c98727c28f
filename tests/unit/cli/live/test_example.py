"""Shipped examples are found, in a checkout at least; the wheel's are tried where wheels are."""

import pytest

from meshsim.cli.live.example import example
from meshsim.kit.errors import StartError


def test_an_example_is_a_directory_of_manifests() -> None:
    with example("blog-canary") as path:
        assert {file.name for file in path.iterdir()} >= {"rollout.yaml", "services.yaml", "virtualservice.yaml"}


def test_an_example_that_was_not_shipped_is_one_sentence() -> None:
    with pytest.raises(StartError, match='the example "no-such" is neither'), example("no-such"):
        pass
