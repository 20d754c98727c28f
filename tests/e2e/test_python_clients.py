"""Programs in Python against a running mesh, with the clients that they know, by the kubeconfig that it writes."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, aclosing
from pathlib import Path

import pytest

from meshsim.api.decode import Object
from meshsim.api.kinds import DEPLOYMENT, POD, ROLLOUT, SERVICE, VIRTUAL_SERVICE, Kind
from tests.kits.clients import CLIENTS, Client, Kr8s, KubernetesAsyncio, Lightkube, RefusedError
from tests.kits.eventually import eventually
from tests.kits.manifests import pod, pod_template, rollout, service, virtual_service
from tests.kits.up import mesh

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio]


def deployment(name: str, **metadata: object) -> Object:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "default", **metadata},
        "spec": {"replicas": 1, "selector": {"matchLabels": {"app": name}}, "template": pod_template(name)},
    }


MADE: dict[Kind, Callable[..., Object]] = {
    ROLLOUT: rollout,
    VIRTUAL_SERVICE: virtual_service,
    SERVICE: service,
    DEPLOYMENT: deployment,
    POD: pod,
}


@pytest.fixture(scope="module")
def kubeconfig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Given an empty mesh that runs: the kubeconfig that it wrote."""
    with mesh(tmp_path_factory.mktemp("state"), manifests=()) as up:
        yield Path(up.cli("kubeconfig").strip())


@pytest.mark.parametrize("kind", list(MADE), ids=lambda kind: kind.kind)
@pytest.mark.parametrize("library", CLIENTS)
async def test_a_client_lists_watches_patches_and_applies(
    kubeconfig: Path, library: type[Kr8s | Lightkube | KubernetesAsyncio], kind: Kind
) -> None:
    async with AsyncExitStack() as stack:
        client: Client = await library.open(kubeconfig, kind, stack)
        name = f"{library.__name__}-{kind.plural}".lower()
        mine = f"made-by={name}"
        wanted = {"apiVersion": kind.api_version, "kind": kind.kind, **MADE[kind](name, labels={"made-by": name})}
        _, version = await client.list(mine)
        events = await stack.enter_async_context(aclosing(client.watch(version, mine)))  # type: ignore[type-var]

        applied = await client.apply(wanted, "one")
        assert [entry["manager"] for entry in applied["metadata"]["managedFields"]] == ["one"]
        assert await told(events, "ADDED") == name

        assert [obj["metadata"]["name"] for obj in (await client.list(mine))[0]] == [name]

        patched = await client.patch(name, {"metadata": {"annotations": {"colour": "blue"}}})
        assert patched["metadata"]["annotations"]["colour"] == "blue"
        assert await told(events, "MODIFIED", colour="blue") == name

        theirs = with_label(wanted, tier="two")
        assert (await client.apply(theirs, "two"))["metadata"]["labels"] == {"made-by": name, "tier": "two"}
        with pytest.raises(RefusedError, match="409"):
            await client.apply(with_label(wanted, tier="one"), "one")
        forced = await client.apply(with_label(wanted, tier="one"), "one", force=True)
        assert forced["metadata"]["labels"]["tier"] == "one"
        await client.apply(wanted, "one")
        # `two` has lost the label to `one`, and `one` wants it no more.
        assert "tier" not in (await client.list(mine))[0][0]["metadata"]["labels"]

        await client.delete(name)
        assert await told(events, "DELETED") == name


OPERATOR = """
import kopf

@kopf.on.create("argoproj.io", "v1alpha1", "rollouts")
@kopf.on.update("argoproj.io", "v1alpha1", "rollouts", field="spec.replicas")
def size(spec, patch, **_):
    patch.metadata.annotations["size"] = "large" if spec["replicas"] > 2 else "small"
"""


async def test_an_operator_written_with_kopf_follows_its_objects(kubeconfig: Path, tmp_path: Path) -> None:
    (tmp_path / "operator.py").write_text(OPERATOR)
    async with AsyncExitStack() as stack:
        client = await Lightkube.open(kubeconfig, ROLLOUT, stack)
        operator = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "kopf", "run", "--standalone", "--namespace", "default", str(tmp_path / "operator.py")),
            env={**os.environ, "KUBECONFIG": str(kubeconfig)},
        )
        try:
            await client.create(rollout("followed", replicas=3, labels={"followed-by": "kopf"}))

            async def size() -> str:
                (followed,) = (await client.list("followed-by=kopf"))[0]
                return str(followed["metadata"].get("annotations", {}).get("size"))

            await eventually(lambda: _is(size, "large"), within_s=20)
            await client.patch("followed", {"spec": {"replicas": 1}})
            await eventually(lambda: _is(size, "small"), within_s=20)
        finally:
            operator.terminate()
            await operator.wait()
        await client.delete("followed")


async def _is(ask: Callable[[], Awaitable[str]], answer: str) -> bool:
    return await ask() == answer


def with_label(obj: Object, **labels: str) -> Object:
    return {**obj, "metadata": {**obj["metadata"], "labels": {**obj["metadata"]["labels"], **labels}}}


async def told(events: AsyncIterator[tuple[str, Object]], kind: str, **annotations: str) -> str:
    """The name in the next event of that type, with those annotations; others before it are passed over."""
    async for event, obj in events:
        metadata = obj["metadata"]
        if event == kind and annotations.items() <= (metadata.get("annotations") or {}).items():
            return str(metadata["name"])
    raise AssertionError("the watch has ended")
