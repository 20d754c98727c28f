"""What `apply` changes in a live object, and what it leaves alone."""

from copy import deepcopy
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from meshsim.api.decode import Object, read_json
from meshsim.cli.apply import LAST_APPLIED, apply_patch, with_last_applied

WANTED: Object = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "shop", "namespace": "default", "labels": {"app": "shop"}},
    "spec": {"selector": {"app": "shop"}, "ports": [{"port": 80}]},
}


def _merged(target: Any, patch: Any) -> Any:
    """RFC 7396."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = _merged(result.get(key), value)
    return result


def _live() -> Object:
    live = deepcopy(with_last_applied(WANTED))
    live["metadata"]["uid"] = "1"
    live["spec"]["clusterIP"] = "10.0.0.1"
    live["spec"]["ports"][0]["protocol"] = "TCP"
    return live


def test_what_was_applied_and_only_got_defaults_since_is_unchanged() -> None:
    assert apply_patch(_live(), WANTED) == {}


def test_a_changed_field_is_set_and_what_others_set_stays() -> None:
    wanted = {**WANTED, "spec": {"selector": {"app": "store"}, "ports": [{"port": 80}]}}
    patch = apply_patch(_live(), wanted)
    assert patch["spec"] == {"selector": {"app": "store"}}
    assert _merged(_live(), patch)["spec"]["clusterIP"] == "10.0.0.1"


def test_a_field_that_the_manifest_lost_is_removed() -> None:
    wanted = {**WANTED, "metadata": {"name": "shop", "namespace": "default"}}
    assert apply_patch(_live(), wanted)["metadata"]["labels"] is None


def test_a_field_that_somebody_else_added_is_left_alone() -> None:
    live = _live()
    live["spec"]["sessionAffinity"] = "None"
    assert apply_patch(live, WANTED) == {}


def test_what_somebody_changed_by_hand_is_put_back() -> None:
    live = _live()
    live["spec"]["ports"] = [{"port": 81, "protocol": "TCP"}]
    assert apply_patch(live, WANTED)["spec"] == {"ports": [{"port": 80}]}


def test_an_object_never_applied_before_remembers_what_is_applied_now() -> None:
    live = deepcopy(WANTED)
    patch = apply_patch(live, WANTED)
    assert read_json(patch["metadata"]["annotations"][LAST_APPLIED]) == WANTED


_SPECS = st.recursive(
    st.integers(0, 3) | st.text("ab", max_size=1),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("xyz"), inner, max_size=3),
    max_leaves=6,
)


def _object(spec: object) -> Object:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m", "namespace": "n"}, "spec": {"top": spec}}


@given(first=_SPECS, second=_SPECS)
def test_applying_one_manifest_after_another_leaves_what_the_second_says(first: object, second: object) -> None:
    live = with_last_applied(_object(first))
    after = _merged(live, apply_patch(live, _object(second)))
    assert after["spec"] == _object(second)["spec"]
    assert apply_patch(after, _object(second)) == {}
