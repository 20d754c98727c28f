"""Which objects belong to a controller that shares its cluster with others."""

from controller.instance import INSTANCE_LABEL, instance_labels, instance_selectors
from meshsim.api.kinds import REPLICA_SET, ROLLOUT


def test_a_controller_with_an_id_sees_what_has_it_and_one_without_what_has_none() -> None:
    assert instance_selectors("blue")[ROLLOUT] == f"{INSTANCE_LABEL}=blue"
    assert instance_selectors("")[ROLLOUT] == f"!{INSTANCE_LABEL}"


def test_what_the_controllers_make_themselves_is_not_shared_out() -> None:
    assert REPLICA_SET not in instance_selectors("blue")


def test_what_is_created_for_an_object_belongs_to_the_same_controller() -> None:
    assert instance_labels({"app": "web", INSTANCE_LABEL: "blue"}) == {INSTANCE_LABEL: "blue"}
    assert instance_labels({"app": "web"}) == {}
