"""Hashes equal to Argo's, and the JSON that Go writes."""

from controller.rollout.hashing import go_json, pod_template_hash, step_hash
from meshsim.api.decode import Object


def _template(**container: object) -> Object:
    return {
        "metadata": {"labels": {"app": "demo"}},
        "spec": {"containers": [{"name": "demo", "image": "demo:v1", **container}]},
    }


def test_a_template_has_the_hash_that_argo_gives_it() -> None:
    assert pod_template_hash(_template()) == "76cbf4d958"
    assert pod_template_hash(_template() | {"metadata": {"labels": {"app": "other"}}}) != "76cbf4d958"


def test_a_collision_count_changes_the_hash_and_zero_is_not_none() -> None:
    hashes = {pod_template_hash(_template(), count) for count in (None, 0, 1, 2)}

    assert len(hashes) == 4


def test_the_order_of_fields_in_the_manifest_does_not_matter() -> None:
    turned = {"spec": {"containers": [{"image": "demo:v1", "name": "demo"}]}, "metadata": {"labels": {"app": "demo"}}}

    assert pod_template_hash(turned) == "76cbf4d958"


def test_what_go_knows_nothing_of_does_not_count() -> None:
    assert pod_template_hash(_template(colour="green")) == "76cbf4d958"


def test_steps_have_a_hash_also_when_there_are_none() -> None:
    assert step_hash([{"setWeight": 5}, {"pause": {}}]) == "59595454c6"
    assert step_hash(None) == step_hash([])


def test_go_writes_its_own_order_and_leaves_out_what_is_empty() -> None:
    written = go_json(_template(ports=[], env=[{"value": "", "name": "A"}], resources={}), "PodTemplateSpec")

    assert written == (
        '{"metadata":{"labels":{"app":"demo"}},"spec":{"containers":[{"name":"demo","image":"demo:v1",'
        '"env":[{"name":"A"}],"resources":{}}]}}'
    )


def test_go_escapes_what_could_end_a_script() -> None:
    assert go_json(_template(image="<&>"), "PodTemplateSpec").count("\\u003c\\u0026\\u003e") == 1
