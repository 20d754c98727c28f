"""What `apply` changes in a live object, and what it leaves alone."""

from copy import deepcopy

import pytest

from meshsim.api.decode import Object, read_json
from meshsim.api.kinds import VIRTUAL_SERVICE
from meshsim.api.meta import Key
from meshsim.cli.apply import LAST_APPLIED, Applied, apply, apply_patch, with_last_applied
from meshsim.cli.manifests import manifests_in
from tests.kits.api import InProcessApi

WANTED: Object = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "shop", "namespace": "default", "labels": {"app": "shop"}},
    "spec": {"selector": {"app": "shop"}, "ports": [{"port": 80}]},
}


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
    assert "clusterIP" not in patch["spec"]


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


def test_a_field_that_the_manifest_lost_inside_a_list_is_removed() -> None:
    first = {**WANTED, "spec": {"ports": [{"port": 80, "name": "http"}]}}
    second = {**WANTED, "spec": {"ports": [{"port": 80}]}}
    assert apply_patch(with_last_applied(first), second)["spec"] == {"ports": [{"port": 80}]}


def test_an_object_never_applied_before_remembers_what_is_applied_now() -> None:
    live = deepcopy(WANTED)
    patch = apply_patch(live, WANTED)
    assert read_json(patch["metadata"]["annotations"][LAST_APPLIED]) == WANTED


@pytest.mark.asyncio
@pytest.mark.parametrize("version", ["v1", "v1beta1", "v1alpha3"])
async def test_a_manifest_may_be_in_any_served_version(version: str) -> None:
    text = (
        f"apiVersion: networking.istio.io/{version}\nkind: VirtualService\nmetadata: {{name: web}}\n"
        "spec: {hosts: [web], http: [{route: [{destination: {host: web}}]}]}\n"
    )
    api = InProcessApi()
    (manifest,) = manifests_in([("web.yaml", text)], "default")

    assert [await apply(api, manifest) for _ in range(2)] == [Applied.CREATED, Applied.UNCHANGED]
    assert (await api.get(VIRTUAL_SERVICE, Key("default", "web")))["apiVersion"] == "networking.istio.io/v1"
