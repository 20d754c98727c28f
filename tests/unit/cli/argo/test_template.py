"""Changes of a pod template."""

import pytest

from meshsim.api.decode import Object
from meshsim.cli.argo.template import is_part_of, revision_to_restore, template_of, with_image
from meshsim.kit.errors import MeshsimError


def _workload() -> Object:
    return {
        "spec": {
            "template": {
                "metadata": {"labels": {"app": "a", "rollouts-pod-template-hash": "h"}},
                "spec": {
                    "initContainers": [{"name": "i", "image": "i:1"}],
                    "containers": [{"name": "c", "image": "c:1"}],
                },
            }
        }
    }


def _replica_set(name: str, revision: str | None) -> Object:
    annotations = {} if revision is None else {"rollout.argoproj.io/revision": revision}
    return {"metadata": {"name": name, "annotations": annotations}}


def test_an_image_is_set_in_a_copy() -> None:
    before = _workload()
    changed = with_image(before, "i", "i:2")
    assert changed["spec"]["template"]["spec"]["initContainers"] == [{"name": "i", "image": "i:2"}]
    assert before == _workload()


def test_the_label_that_tells_versions_apart_is_no_part_of_a_template() -> None:
    assert template_of(_workload())["metadata"]["labels"] == {"app": "a"}


def test_undo_goes_to_the_revision_before_the_latest() -> None:
    history = [_replica_set("a", "2"), _replica_set("b", "10"), _replica_set("c", "9"), _replica_set("d", "x")]
    assert revision_to_restore("shop", history, 0)["metadata"]["name"] == "c"
    assert revision_to_restore("shop", history, 2)["metadata"]["name"] == "a"


def test_undo_needs_a_revision_before() -> None:
    with pytest.raises(MeshsimError, match='no revision found for rollout "shop"'):
        revision_to_restore("shop", [_replica_set("a", "1")], 0)


def test_defaults_that_only_one_side_has_do_not_count() -> None:
    template = {"spec": {"containers": [{"name": "c", "args": []}]}}
    stored = {"spec": {"containers": [{"name": "c", "imagePullPolicy": "Always"}], "restartPolicy": "Always"}}
    assert is_part_of(template, stored)
    assert not is_part_of(stored, template)
