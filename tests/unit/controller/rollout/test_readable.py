"""What of a pod template Argo reads."""

import pytest

from controller.rollout.readable import readable_template
from meshsim.api.decode import Object

_GOOD: Object = {
    "name": "web",
    "resources": {"requests": {"cpu": 1, "memory": "16Mi", "disk": None}, "limits": {"memory": "1e3"}},
}


@pytest.mark.parametrize(
    "template",
    [
        {},
        {"spec": {"containers": [{"name": "web"}]}},
        {"spec": {"containers": [_GOOD], "ephemeralContainers": [_GOOD]}},
    ],
)
def test_a_template_without_fault_is_read_as_it_stands(template: Object) -> None:
    assert readable_template(template) is template


@pytest.mark.parametrize("amount", ["invalid", "1Xi", True, {}])
def test_requests_or_limits_with_something_that_is_no_quantity_are_left_out_whole(amount: object) -> None:
    bad = _GOOD | {"resources": _GOOD["resources"] | {"requests": {"cpu": "1m", "memory": amount}}}
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [bad, _GOOD], "restartPolicy": "Always"}}
    left = _GOOD | {"resources": {"limits": {"memory": "1e3"}}}
    assert readable_template(template) == template | {
        "spec": {"containers": [left, _GOOD], "restartPolicy": "Always"},
    }


def test_ephemeral_containers_are_all_left_out_when_one_is_unreadable() -> None:
    bad = {"name": "debug", "resources": {"requests": {"memory": "invalid"}}}
    template = {"spec": {"containers": [_GOOD], "ephemeralContainers": [_GOOD, bad]}}
    assert readable_template(template) == {"spec": {"containers": [_GOOD]}}
