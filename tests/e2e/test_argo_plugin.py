"""The real kubectl plugin of Argo Rollouts against the API server: what its verbs write."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from meshsim.api.decode import Object
from meshsim.api.kinds import REPLICA_SET, ROLLOUT
from meshsim.api.meta import Key
from meshsim.client.http import HttpApi
from tests.kits.apiserver import secured_apiserver
from tests.kits.manifests import replica_set, rollout

PLUGIN = shutil.which("kubectl-argo-rollouts")
WEB = Key("default", "web")

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.asyncio,
    pytest.mark.skipif(
        PLUGIN is None, reason="no kubectl-argo-rollouts on this machine: the real plugin was NOT tried"
    ),
]


class Plugin:
    """The plugin with the kubeconfig of a server, and a client that looks at what it did."""

    def __init__(self, api: HttpApi, home: Path, kubeconfig: Path) -> None:
        self._api = api
        self._home = home
        self._config = kubeconfig

    async def __call__(self, *arguments: str, code: int = 0) -> str:
        """What the plugin prints; it must end with the code."""
        assert PLUGIN is not None
        process = await asyncio.create_subprocess_exec(
            PLUGIN,
            *arguments,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env={**os.environ, "HOME": str(self._home), "KUBECONFIG": str(self._config)},
        )
        async with asyncio.timeout(30):
            out, _ = await process.communicate()
        assert process.returncode == code, out.decode()
        return out.decode()

    async def rollout(self) -> Object:
        """The rollout as it is now."""
        return await self._api.get(ROLLOUT, WEB)

    async def status(self, **status: object) -> None:
        """What its controller would report."""
        await self._api.patch(ROLLOUT, WEB, {"status": status}, subresource="status")


@pytest_asyncio.fixture
async def plugin(tmp_path: Path) -> AsyncIterator[Plugin]:
    """The plugin, and a server with one rollout of two revisions that pauses at its second step."""
    async with secured_apiserver(tmp_path / "data") as server, HttpApi(server.connection) as api:
        owner = await api.create(ROLLOUT, rollout())
        for revision, version in (("1", "v1"), ("2", "v2")):
            labels = {"app": "web", "rollouts-pod-template-hash": version}
            annotations = {"rollout.argoproj.io/revision": revision}
            old = replica_set(f"web-{version}", owner=owner, labels=labels, annotations=annotations)
            old["spec"]["template"]["spec"]["containers"][0]["image"] = f"web:{version}"
            await api.create(REPLICA_SET, old)
        plugin = Plugin(api, tmp_path, server.kubeconfig)
        paused = [{"reason": "CanaryPauseStep", "startTime": "2026-01-01T00:00:00Z"}]
        await plugin.status(
            observedGeneration="1", phase="Paused", message="CanaryPauseStep", pauseConditions=paused,
            currentStepIndex=1, currentPodHash="v2", stableRS="v1", controllerPause=True,
        )  # fmt: skip
        yield plugin


async def test_a_rollout_is_shown_with_all_that_belongs_to_it(plugin: Plugin) -> None:
    shown = await plugin("get", "rollout", "web", "--no-color")
    assert "॥ Paused" in shown
    assert "CanaryPauseStep" in shown
    assert "web-v2" in shown
    assert "# revision:2" in shown
    assert "Canary" in await plugin("list", "rollouts")
    assert "Paused - CanaryPauseStep" in await plugin("status", "web", "--watch=false")


async def test_a_missing_rollout_is_said_in_kubernetes_words(plugin: Plugin) -> None:
    assert await plugin("abort", "none", code=1) == 'Error: rollouts.argoproj.io "none" not found\n'


async def test_its_verbs_change_what_they_should(plugin: Plugin) -> None:
    assert await plugin("promote", "web") == "rollout 'web' promoted\n"
    assert "pauseConditions" not in (await plugin.rollout())["status"]
    await plugin("promote", "web", "--full")
    assert (await plugin.rollout())["status"]["promoteFull"] is True
    await plugin("abort", "web")
    assert (await plugin.rollout())["status"]["abort"] is True
    await plugin("retry", "rollout", "web")
    assert (await plugin.rollout())["status"]["abort"] is False
    await plugin("pause", "web")
    assert (await plugin.rollout())["spec"]["paused"] is True
    await plugin("restart", "web")
    assert (await plugin.rollout())["spec"]["restartAt"]
    await plugin("set", "image", "web", "web=web:v3")
    assert _image(await plugin.rollout()) == "web:v3"
    assert await plugin("undo", "web") == "rollout 'web' undo\n"
    assert _image(await plugin.rollout()) == "web:v1", "the revision before the latest"


def _image(obj: Object) -> str:
    image: str = obj["spec"]["template"]["spec"]["containers"][0]["image"]
    return image
