"""Laws of applying manifests to live objects."""

from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from meshsim.api.decode import Object
from meshsim.cli.apply import apply_patch, with_last_applied

_SPECS = st.recursive(
    st.integers(0, 3) | st.text("ab", max_size=1),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("xyz"), inner, max_size=3),
    max_leaves=6,
)


def _object(spec: object) -> Object:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m", "namespace": "n"}, "spec": {"top": spec}}


@given(first=_SPECS, second=_SPECS)
@example(first=[[], {"x": 0}], second=[[], {}])
def test_applying_one_manifest_after_another_leaves_what_the_second_says(first: object, second: object) -> None:
    live = with_last_applied(_object(first))
    after = _merged(live, apply_patch(live, _object(second)))
    assert after["spec"] == _object(second)["spec"]
    assert apply_patch(after, _object(second)) == {}


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
