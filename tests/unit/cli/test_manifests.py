"""Manifests given with -f: where they are found, and how a wrong one is named."""

import io
from pathlib import Path

import pytest

from meshsim.api.meta import Key
from meshsim.cli.manifests import read_manifests, slip_in
from meshsim.kit.errors import ExitCode, InvalidManifestError, StartError

SERVICE = "apiVersion: v1\nkind: Service\nmetadata: {name: shop}\n"
ROLLOUT = "apiVersion: argoproj.io/v1alpha1\nkind: Rollout\nmetadata: {name: shop, namespace: prod}\n"


def _file(folder: Path, name: str, text: str) -> str:
    path = folder / name
    path.write_text(text)
    return str(path)


def test_objects_without_a_namespace_get_the_given_one(tmp_path: Path) -> None:
    manifests = read_manifests([_file(tmp_path, "all.yaml", f"{SERVICE}---\n{ROLLOUT}")], "dev")
    assert [manifest.key for manifest in manifests] == [Key("dev", "shop"), Key("prod", "shop")]
    assert [manifest.title for manifest in manifests] == ["service/shop", "rollout.argoproj.io/shop"]


def test_a_cluster_wide_object_has_no_namespace(tmp_path: Path) -> None:
    file = _file(tmp_path, "ns.yaml", "apiVersion: v1\nkind: Namespace\nmetadata: {name: prod}\n")
    assert [manifest.key for manifest in read_manifests([file], "dev")] == [Key("", "prod")]


def test_a_directory_is_all_its_manifests_in_order_of_name(tmp_path: Path) -> None:
    _file(tmp_path, "b.yml", SERVICE)
    _file(tmp_path, "a.yaml", ROLLOUT)
    _file(tmp_path, "README.md", "# not a manifest")
    assert [manifest.kind.kind for manifest in read_manifests([str(tmp_path)], "default")] == ["Rollout", "Service"]


def test_a_list_is_its_items_each_with_its_own_place(tmp_path: Path) -> None:
    text = "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Service\n  metadata:\n    name: shop\n"
    (manifest,) = read_manifests([_file(tmp_path, "list.yaml", text)], "default")
    assert manifest.title == "service/shop"
    assert manifest.where("metadata.name").endswith("list.yaml:7:5")


def test_stdin_is_read_for_a_dash() -> None:
    (manifest,) = read_manifests(["-"], "default", stdin=io.StringIO(SERVICE))
    assert manifest.where() == "stdin:1:1"


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(StartError, match=r"nowhere\.yaml: No such file or directory$"):
        read_manifests([str(tmp_path / "nowhere.yaml")], "default")


def test_a_directory_without_manifests_is_named(tmp_path: Path) -> None:
    with pytest.raises(StartError, match="no manifests there"):
        read_manifests([str(tmp_path)], "default")


def test_broken_yaml_is_named_with_line_and_column(tmp_path: Path) -> None:
    file = _file(tmp_path, "broken.yaml", "apiVersion: v1\nkind: Service\nmetadata: {name: [}\n")
    with pytest.raises(InvalidManifestError, match=r"broken\.yaml:3:19: "):
        read_manifests([file], "default")


def test_every_kind_that_looks_like_a_slip_is_named_with_its_place(tmp_path: Path) -> None:
    servise = "apiVersion: v1\nkind: Servise\nmetadata: {name: x}\n"
    text = f"{SERVICE}---\n{servise}---\napiVersion: app/v1\nkind: Deployment\n"
    with pytest.raises(InvalidManifestError) as failure:
        read_manifests([_file(tmp_path, "m.yaml", text)], "default")
    first, second = str(failure.value).split("\nError: ")
    assert first.endswith(
        'm.yaml:5:1: Servise of v1 is not a kind that meshsim serves, did you mean "Service" of "v1"?'
    )
    assert second.endswith(
        'm.yaml:9:1: Deployment of app/v1 is not a kind that meshsim serves, did you mean "Deployment" of "apps/v1"?'
    )
    assert failure.value.exit_code is ExitCode.INVALID_MANIFEST


@pytest.mark.parametrize(
    ("api_version", "kind", "meant"),
    [
        ("networking.istio.io/v1beta1", "VirtualSevice", '"VirtualService" of "networking.istio.io/v1beta1"'),
        ("networking.istio.io/v1beta2", "VirtualService", '"VirtualService" of "networking.istio.io/v1"'),
        ("argoproj.io/v1", "rollout", '"Rollout" of "argoproj.io/v1alpha1"'),
        ("policy/v1beta1", "PodDisruptionBudget", '"PodDisruptionBudget" of "policy/v1"'),
    ],
)
def test_a_slip_is_told_what_was_meant(api_version: str, kind: str, meant: str) -> None:
    assert str(slip_in(api_version, kind)).endswith(f"is not a kind that meshsim serves, did you mean {meant}?")


@pytest.mark.parametrize(
    ("api_version", "kind"),
    [
        ("monitoring.coreos.com/v1", "ServiceMonitor"),
        ("networking.k8s.io/v1", "NetworkPolicy"),
        ("security.istio.io/v1", "PeerAuthentication"),
        ("networking.istio.io/v1", "EnvoyFilter"),
        ("networking.istio.io/v1", "WorkloadEntry"),
        ("gateway.networking.k8s.io/v1", "Gateway"),
        ("serving.knative.dev/v1", "Service"),
        ("argoproj.io/v1alpha1", "Application"),
        ("argoproj.io/v1alpha1", "WorkflowTemplate"),
        ("apps/v1", "StatefulSet"),
        ("batch/v1", "CronJob"),
        ("v1", "PersistentVolumeClaim"),
        ("kustomize.config.k8s.io/v1beta1", "Kustomization"),
    ],
)
def test_other_peoples_kinds_are_no_slips(api_version: str, kind: str) -> None:
    assert slip_in(api_version, kind) is None


def test_other_peoples_kinds_are_left_out_and_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    monitor = "apiVersion: monitoring.coreos.com/v1\nkind: ServiceMonitor\nmetadata: {name: shop}\n"
    file = _file(tmp_path, "m.yaml", f"{monitor}---\n{SERVICE}")

    (manifest,) = read_manifests([file], "default")

    assert manifest.title == "service/shop"
    assert capsys.readouterr().err == (
        f"Warning: left out, as meshsim doesn't serve these kinds: ServiceMonitor ({file}:1:1)\n"
    )


def test_manifests_of_which_nothing_is_left_are_refused(tmp_path: Path) -> None:
    file = _file(tmp_path, "m.yaml", "apiVersion: a/v2\nkind: B\nmetadata: {name: x}\n")
    with pytest.raises(InvalidManifestError, match=r"^meshsim serves none of these kinds: B \(.*m\.yaml:1:1\)$"):
        read_manifests([file], "default")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("kind: Service\nmetadata: {name: x}\n", "a manifest names its apiVersion"),
        ("apiVersion: v1\nmetadata: {name: x}\n", "a manifest names its kind"),
        ("apiVersion: v1\nkind: Service\n", "Service without a metadata.name"),
        ("apiVersion: v1\nkind: Service\nmetadata: {generateName: x-}\n", "Service without a metadata.name"),
        ("apiVersion: v1\nkind: List\nitems: [1]\n", "an object was expected"),
    ],
)
def test_what_is_no_object_is_refused_with_its_place(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(InvalidManifestError, match=rf"x\.yaml:\d+:\d+: {complaint}"):
        read_manifests([_file(tmp_path, "x.yaml", text)], "default")


def test_text_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    (tmp_path / "latin.yaml").write_bytes(b"kind: x\nname: caf\xe9\n")
    with pytest.raises(InvalidManifestError, match=r"latin\.yaml:2: not text in UTF-8"):
        read_manifests([str(tmp_path)], "default")
