"""Commands in pods, as kubernetes_asyncio and kr8s run them over WebSockets."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import kr8s.asyncio
import pytest
import pytest_asyncio
from kr8s.asyncio.objects import Pod
from kubernetes_asyncio.client import CoreV1Api
from kubernetes_asyncio.config import new_client_from_config
from kubernetes_asyncio.stream import WsApiClient

from meshsim.api.kinds import POD
from meshsim.client.http import HttpApi
from tests.kits.apiserver import Secured, secured_apiserver
from tests.kits.clients import close_kr8s
from tests.kits.eventually import eventually
from tests.kits.pods import ready_pod
from tests.kits.processes import serving

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio]


@pytest_asyncio.fixture
async def server(tmp_path: Path) -> AsyncIterator[Secured]:
    """An API server with a node, whose one pod runs a program."""
    container = {"name": "web", "image": "web:v1", "command": ["sleep", "1000"]}
    body = {"metadata": {"name": "web", "namespace": "default"}, "spec": {"containers": [container]}}
    async with secured_apiserver(tmp_path) as server:
        with serving("meshsim.runtime", "--kubeconfig", str(server.kubeconfig), "--port", "0", "--drain", "0s"):
            async with HttpApi(server.connection) as api:
                await api.create(POD, body)
                await eventually(lambda: ready_pod(api, "web"), within_s=20)
            yield server


async def test_kubernetes_asyncio_runs_a_command(server: Secured) -> None:
    plain = await new_client_from_config(str(server.kubeconfig))
    asked: Any = {
        "command": ["sh", "-c", "echo out; exit 3"],
        "stdout": True,
        "stderr": True,
        "stdin": False,
        "tty": False,
    }
    async with plain, WsApiClient(configuration=plain.configuration) as client:
        core: Any = CoreV1Api(api_client=client)
        assert await core.connect_get_namespaced_pod_exec("web", "default", **asked) == "out\n"
        answer = await core.connect_get_namespaced_pod_exec("web", "default", **asked, _preload_content=False)
        async with answer as socket:
            said = [(each.data[0], each.data[1:]) async for each in socket]
    assert WsApiClient.parse_error_data(next(data.decode() for channel, data in said if channel == 3)) == 3


async def test_kr8s_runs_a_command(server: Secured) -> None:
    api = await kr8s.asyncio.api(kubeconfig=str(server.kubeconfig))
    try:
        pod = await Pod.get("web", namespace="default", api=api)
        done = await pod.exec(["sh", "-c", "echo out; echo err >&2"])
    finally:
        await close_kr8s(api)
    assert (done.stdout, done.stderr, done.returncode) == (b"out\n", b"err\n", 0)
