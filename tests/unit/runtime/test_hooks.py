"""Unit tests of hooks that only sleep."""

import pytest

from meshsim.api.decode import Object
from meshsim.runtime.containers.hooks import sleep_of


@pytest.mark.parametrize(
    ("handler", "seconds"),
    [
        ({"sleep": {"seconds": 5}}, 5),
        ({"exec": {"command": ["sleep", "5"]}}, 5),
        ({"exec": {"command": ["/bin/sleep", "2.5s"]}}, 2.5),
        ({"exec": {"command": ["/bin/sh", "-c", "sleep 5"]}}, 5),
        ({"exec": {"command": ["sh", "-c", "sleep 5 && exit 1"]}}, 0),
        ({"exec": {"command": ["sleep", "$(touch x)"]}}, 0),
        ({"exec": {"command": ["sleep"]}}, 0),
        ({"exec": {}}, 0),
        ({"httpGet": {"path": "/", "port": 80}}, 0),
    ],
)
def test_a_hook_that_only_sleeps_is_recognised(handler: Object, seconds: float) -> None:
    assert sleep_of(handler) == seconds
