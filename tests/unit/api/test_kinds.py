from collections import Counter

import pytest

from meshsim.api.kinds import KINDS, POD, ROLLOUT, VIRTUAL_SERVICE, Kind, kind_named, kind_of_resource


@pytest.mark.parametrize(
    ("api_version", "kind", "found"),
    [
        ("v1", "Pod", POD),
        ("argoproj.io/v1alpha1", "Rollout", ROLLOUT),
        ("networking.istio.io/v1", "VirtualService", VIRTUAL_SERVICE),
        ("networking.istio.io/v1alpha3", "VirtualService", VIRTUAL_SERVICE),
        ("networking.istio.io/v2", "VirtualService", None),
        ("apps/v1", "Pod", None),
        ("v1", "pod", None),
        ("", "Pod", None),
    ],
)
def test_a_manifest_names_a_kind_in_any_version_that_is_served(api_version: str, kind: str, found: Kind | None) -> None:
    assert kind_named(api_version, kind) is found


def test_a_url_names_a_kind_by_group_and_plural() -> None:
    assert kind_of_resource("", "pods") is POD
    assert kind_of_resource("argoproj.io", "rollouts") is ROLLOUT
    assert kind_of_resource("argoproj.io", "pods") is None


def test_a_kind_has_the_names_that_urls_yaml_and_messages_use() -> None:
    assert (POD.api_version, POD.resource, POD.singular, str(POD)) == ("v1", "pods", "pod", "Pod")
    assert (ROLLOUT.api_version, ROLLOUT.resource) == ("argoproj.io/v1alpha1", "rollouts.argoproj.io")
    assert VIRTUAL_SERVICE.api_version == "networking.istio.io/v1"


def test_no_two_kinds_answer_to_the_same_name() -> None:
    names = Counter(name for kind in KINDS for name in {kind.plural, kind.singular, *kind.short_names})
    assert [name for name, count in names.items() if count > 1] == []
    resources = Counter(kind.resource for kind in KINDS)
    assert [resource for resource, count in resources.items() if count > 1] == []
