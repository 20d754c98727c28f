import json

from meshsim.api.kinds import KINDS
from meshsim.apiserver.discovery.discovery import Discovery
from meshsim.apiserver.discovery.openapi import OpenApi
from meshsim.apiserver.discovery.reviews import REVIEWS
from meshsim.apiserver.kinds.resource import resources_of
from meshsim.apiserver.pods.usage import USAGE

DISCOVERY = Discovery([*resources_of(KINDS), *REVIEWS, *USAGE])
OPENAPI = OpenApi(KINDS)


def test_both_forms_of_discovery_say_the_same() -> None:
    aggregated = [
        *DISCOVERY.aggregated(core=True, version="v2")["items"],
        *DISCOVERY.aggregated(core=False, version="v2")["items"],
    ]
    for group in aggregated:
        name = group["metadata"].get("name", "")
        for version in group["versions"]:
            listed = DISCOVERY.resource_list(name, version["version"])
            assert listed is not None
            told = {resource["name"] for resource in listed["resources"]}
            expected = set()
            for resource in version["resources"]:
                expected.add(resource["resource"])
                expected |= {f"{resource['resource']}/{sub['subresource']}" for sub in resource.get("subresources", [])}
            assert told == expected


def test_a_groups_preferred_version_comes_first() -> None:
    group = DISCOVERY.group("networking.istio.io")
    assert group is not None
    assert [version["version"] for version in group["versions"]] == ["v1", "v1beta1", "v1alpha3"]
    assert group["preferredVersion"]["groupVersion"] == "networking.istio.io/v1"


def test_a_rollout_is_described_as_its_crd_describes_it() -> None:
    listed = DISCOVERY.resource_list("argoproj.io", "v1alpha1")
    assert listed is not None
    resources = {resource["name"]: resource for resource in listed["resources"]}
    assert resources["rollouts"]["shortNames"] == ("ro",)
    assert resources["rollouts/scale"]["kind"] == "Scale"
    assert "analysisruns/status" not in resources


def test_what_is_not_served_is_not_described() -> None:
    assert DISCOVERY.group("apps.example.com") is None
    assert DISCOVERY.resource_list("apps", "v2") is None
    assert OPENAPI.document("apis/apps/v2") is None


def test_every_kind_can_be_found_in_its_openapi_document_by_a_patch() -> None:
    for kind in KINDS:
        for version in kind.versions:
            document = OPENAPI.document(f"apis/{kind.group}/{version}" if kind.group else f"api/{version}")
            assert document is not None
            operations = [path["patch"] for path in json.loads(document)["paths"].values()]
            wanted = {"group": kind.group, "version": version, "kind": kind.kind}
            [operation] = [each for each in operations if each["x-kubernetes-group-version-kind"] == wanted]
            assert [parameter["name"] for parameter in operation["parameters"]] == ["fieldValidation"]
            is_custom = "argoproj" in kind.group or "istio" in kind.group
            assert ("requestBody" in operation) is is_custom, "kubectl takes the rest for Kubernetes' own"


def test_custom_resources_have_schemas_to_explain() -> None:
    document = json.loads(OPENAPI.document("apis/argoproj.io/v1alpha1") or b"")
    schema = document["components"]["schemas"]["io.argoproj.v1alpha1.Rollout"]
    assert schema["x-kubernetes-group-version-kind"] == [
        {"group": "argoproj.io", "version": "v1alpha1", "kind": "Rollout"}
    ]
    assert schema["properties"]["spec"]["properties"]["replicas"]["type"] == "integer"


def test_the_index_names_every_document_with_its_hash() -> None:
    paths = OPENAPI.index()["paths"]
    assert set(paths) >= {"api/v1", "apis/apps/v1", "apis/argoproj.io/v1alpha1", "apis/networking.istio.io/v1beta1"}
    for path, entry in paths.items():
        assert entry["serverRelativeURL"] == f"/openapi/v3/{path}?hash={OPENAPI.hash(path)}"
