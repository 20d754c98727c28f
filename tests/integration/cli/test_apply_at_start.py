"""What `meshsim up` applies: once whole, later only what its manifests changed."""

from copy import deepcopy
from pathlib import Path

import pytest
import yaml

from meshsim.api.decode import Object
from meshsim.api.kinds import NAMESPACE, ROLLOUT, Kind
from meshsim.api.meta import Key
from meshsim.cli.manifests import Manifest, read_manifests
from meshsim.cli.up import apply_at_start
from meshsim.client.api import UnreachableError
from meshsim.kit.errors import InvalidManifestError
from tests.kits.api import InProcessApi
from tests.kits.up import BLOG

pytestmark = pytest.mark.asyncio

KEY = Key("default", "my-app")


class AwayAtFirst(InProcessApi):
    """An API that cannot be reached the first few times."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self._times = times

    async def get(self, kind: Kind, key: Key) -> Object:
        if self._times:
            self._times -= 1
            raise UnreachableError(0, "Unreachable", "away")
        return await super().get(kind, key)


@pytest.fixture
def example() -> list[Manifest]:
    """The blog's manifests."""
    return read_manifests([BLOG], "default")


@pytest.fixture
def smaller(tmp_path: Path) -> list[Manifest]:
    """The example's rollout with three replicas."""
    rollout = yaml.safe_load((Path(BLOG) / "rollout.yaml").read_text())
    rollout["spec"]["replicas"] = 3
    (tmp_path / "rollout.yaml").write_text(yaml.safe_dump(rollout))
    return read_manifests([str(tmp_path)], "default")


@pytest.fixture
def elsewhere() -> list[Manifest]:
    """The example in a namespace that nobody made."""
    return read_manifests([BLOG], "shop")


@pytest.fixture
def misnamed(tmp_path: Path) -> list[Manifest]:
    """A Service with a name that Kubernetes refuses."""
    file = tmp_path / "service.yaml"
    file.write_text("apiVersion: v1\nkind: Service\nmetadata:\n  name: A_B\nspec: {ports: [{port: 80}]}\n")
    return read_manifests([str(file)], "default")


async def test_a_reopened_mesh_keeps_what_became_of_unchanged_manifests(example: list[Manifest]) -> None:
    api = InProcessApi()
    await apply_at_start(api, example)
    released = deepcopy(await api.get(ROLLOUT, KEY))
    released["spec"]["template"]["spec"]["containers"][0]["image"] = "my-app:v2"
    await api.replace(ROLLOUT, released)
    await apply_at_start(api, example)
    assert (await api.get(ROLLOUT, KEY))["spec"]["template"]["spec"]["containers"][0]["image"] == "my-app:v2"


async def test_a_manifest_that_changed_is_applied(example: list[Manifest], smaller: list[Manifest]) -> None:
    api = InProcessApi()
    await apply_at_start(api, example)
    await apply_at_start(api, smaller)
    assert (await api.get(ROLLOUT, KEY))["spec"]["replicas"] == 3


async def test_namespaces_that_manifests_name_are_made_once(elsewhere: list[Manifest]) -> None:
    api = InProcessApi()
    await apply_at_start(api, elsewhere)
    await apply_at_start(api, elsewhere)
    assert (await api.get(NAMESPACE, Key("", "shop")))["metadata"]["name"] == "shop"
    assert (await api.get(ROLLOUT, Key("shop", "my-app")))["spec"]["replicas"] == 6


async def test_an_api_that_is_away_for_a_moment_is_asked_again(example: list[Manifest]) -> None:
    api = AwayAtFirst(times=2)
    await apply_at_start(api, example)
    assert (await api.get(ROLLOUT, KEY))["spec"]["replicas"] == 6


async def test_what_the_api_refuses_is_named_with_its_place(misnamed: list[Manifest]) -> None:
    with pytest.raises(InvalidManifestError, match=r"service\.yaml:4:3: "):
        await apply_at_start(InProcessApi(), misnamed)
