"""The node as a process beside an API server as a process: killed, restarted, left alone."""

import asyncio
import re
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import aiohttp
import psutil
import pytest

from meshsim.api.decode import Object
from meshsim.api.kinds import ENDPOINT_SLICE, NODE, POD, SERVICE
from meshsim.api.meta import Key
from meshsim.client.api import NotFoundError
from meshsim.client.http import HttpApi
from tests.kits.eventually import eventually
from tests.kits.pods import READINESS, pod_named, pod_object, ready_pod, url_of
from tests.kits.processes import REPOSITORY, Served, serving

pytestmark = pytest.mark.asyncio
SERVICE_OBJECT: Object = {
    "metadata": {"name": "web", "namespace": "default"},
    "spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8080}]},
}


@contextmanager
def api_server(data_dir: Path, port: str = "0") -> Iterator[str]:
    flags = ("--insecure-http", "--port", port, "--dashboard-port", "0", "--data-dir", str(data_dir))
    with serving("meshsim.apiserver", *flags) as served:
        yield f"http://{served.addresses['api']}"


@contextmanager
def node(url: str) -> Iterator[Served]:
    with serving("meshsim.runtime", "--api", url, "--port", "0", "--seed", "1") as served:
        yield served


async def ask(session: aiohttp.ClientSession, pod: Object, path: str = "/") -> Object:
    async with session.get(url_of(pod, path)) as answer:
        body: Object = await answer.json()
        return body


async def test_a_node_that_is_killed_and_started_again_serves_its_pods_where_they_were(tmp_path: Path) -> None:
    with api_server(tmp_path) as url:
        async with HttpApi(url) as api, aiohttp.ClientSession() as session:
            await api.create(SERVICE, SERVICE_OBJECT)
            with node(url) as first:
                await api.create(POD, pod_object("a"))
                before = await eventually(lambda: ready_pod(api, "a"), within_s=30)
                assert (await ask(session, before))["version"] == "v1"
                first.process.kill()
                first.process.wait()
            with pytest.raises(aiohttp.ClientError):
                await ask(session, before)
            with node(url):
                await eventually(lambda: ask(session, before), ignoring=(aiohttp.ClientError,))
                await api.create(POD, pod_object("b", image="web:v2"))
                later = await eventually(lambda: ready_pod(api, "b"), within_s=30)
                assert (await ask(session, later))["version"] == "v2"
                after = await pod_named(api, "a")
    assert after["status"] == before["status"]
    assert later["status"]["podIP"] != before["status"]["podIP"]


async def test_a_node_goes_on_serving_while_the_api_is_away_and_catches_up_when_it_is_back(tmp_path: Path) -> None:
    async with aiohttp.ClientSession() as session:
        with ExitStack() as node_life:
            with api_server(tmp_path) as url:
                node_life.enter_context(node(url))
                async with HttpApi(url) as api:
                    await api.create(SERVICE, SERVICE_OBJECT)
                    await api.create(POD, pod_object("a"))
                    pod = await eventually(lambda: ready_pod(api, "a"), within_s=30)
            assert (await ask(session, pod))["pod"] == "a"
            with api_server(tmp_path, url.rpartition(":")[2]):
                async with HttpApi(url) as api:
                    await api.create(POD, pod_object("b"))
                    await eventually(lambda: ready_pod(api, "b"), within_s=30)
                    await eventually(lambda: has_endpoints(api, {"a", "b"}))


async def has_endpoints(api: HttpApi, names: set[str]) -> bool:
    slices = (await api.list(ENDPOINT_SLICE)).items
    return {each["targetRef"]["name"] for slice_ in slices for each in slice_["endpoints"]} == names


async def test_a_node_that_starts_before_the_api_waits_for_it(tmp_path: Path) -> None:
    with api_server(tmp_path) as url:
        pass
    with node(url) as served:
        healthz = f"http://{served.addresses['node']}/healthz"
        async with aiohttp.ClientSession() as session, session.get(healthz) as answer:
            assert answer.status == 200
        with api_server(tmp_path, url.rpartition(":")[2]):
            async with HttpApi(url) as api:
                await api.create(POD, pod_object("a"))
                await eventually(lambda: ready_pod(api, "a"), within_s=30)


async def test_the_metrics_count_the_cpu_of_the_requests_each_version_served(tmp_path: Path) -> None:
    with api_server(tmp_path) as url, node(url) as served:
        async with HttpApi(url) as api, aiohttp.ClientSession() as session:
            for name, version in (("a", "v1"), ("b", "v2")):
                cost = {"meshsim.dev/cpu-per-request": "250ms"}
                await api.create(POD, pod_object(name, image=f"web:{version}", annotations=cost))
            pods = [await eventually(lambda n=name: ready_pod(api, n), within_s=30) for name in "ab"]  # type: ignore[misc]
            for pod, requests in zip(pods, (1, 3), strict=True):
                for _ in range(requests):
                    await ask(session, pod)
            async with session.get(f"http://{served.addresses['node']}/metrics") as answer:
                text = await answer.text()
    assert {
        (labels["pod"], labels["version"]): value for labels, value in series(text, "container_cpu_usage_seconds_total")
    } == {("a", "v1"): 0.25, ("b", "v2"): 0.75}
    assert {
        labels["pod"]: value for labels, value in series(text, "kube_pod_status_ready") if labels["condition"] == "true"
    } == {"a": 1, "b": 1}
    assert {labels["pod"]: labels["pod_ip"] for labels, _ in series(text, "kube_pod_info")} == {
        pod["metadata"]["name"]: pod["status"]["podIP"] for pod in pods
    }
    assert {labels["label_app"] for labels, _ in series(text, "kube_pod_labels")} == {"web"}


def series(text: str, name: str) -> list[tuple[dict[str, str], float]]:
    """The labels and values of a metric."""
    lines = re.findall(rf"^{name}\{{(.*)\}} (\S+)$", text, re.MULTILINE)
    return [(dict(re.findall(r'(\w+)="([^"]*)"', labels)), float(value)) for labels, value in lines]


def program_object(name: str, version: str) -> Object:
    """A pod that runs the sample application as a program."""
    obj = pod_object(name, image=f"sample:{version}", probe=READINESS | {"periodSeconds": 1})
    obj["spec"]["containers"][0] |= {
        "command": ["sh", "-c", 'echo "$VERSION is up"; exec "$0" -m meshsim.sample', sys.executable],
        "env": [{"name": "VERSION", "value": version}],
        "workingDir": str(REPOSITORY),
    }
    return obj


async def test_a_program_serves_at_its_pods_address_and_its_output_is_kept(tmp_path: Path) -> None:
    with api_server(tmp_path) as url, node(url) as served:
        async with HttpApi(url) as api, aiohttp.ClientSession() as session:
            await api.create(POD, program_object("a", "v3"))
            pod = await eventually(lambda: ready_pod(api, "a"), within_s=30)
            assert (await ask(session, pod))["version"] == "v3"
            (container,) = pod["status"]["containerStatuses"]
            assert (container["restartCount"], "running" in container["state"]) == (0, True)
            logs = f"{url}/api/v1/namespaces/default/pods/a/log"
            async with session.get(logs, params={"tailLines": "1"}) as answer:
                assert (answer.status, await answer.text()) == (200, "v3 is up\n")
            async with session.get(logs, params={"previous": "true"}) as answer:
                assert answer.status == 400
            assert (await api.get(NODE, Key("", "meshsim")))["status"]["daemonEndpoints"] == {
                "kubeletEndpoint": {"Port": int(served.addresses["node"].rpartition(":")[2])}
            }
            await api.delete(POD, Key("default", "a"))
            await eventually(lambda: is_gone(api, "a"), within_s=30)


async def is_gone(api: HttpApi, name: str) -> bool:
    try:
        await pod_named(api, name)
    except NotFoundError:
        return True
    return False


async def test_no_program_survives_a_node_that_is_killed_and_the_next_node_starts_it_again(tmp_path: Path) -> None:
    with api_server(tmp_path) as url:
        async with HttpApi(url) as api:
            with node(url) as first:
                await api.create(POD, program_object("a", "v1"))
                await eventually(lambda: ready_pod(api, "a"), within_s=30)
                programs = [
                    child
                    for child in psutil.Process(first.process.pid).children()
                    if "meshsim.sample" in " ".join(child.cmdline())
                ]
                assert len(programs) == 1
                first.process.kill()
                first.process.wait()
                await eventually(lambda: not programs[0].is_running())
            with node(url):

                async def restarted() -> Object:
                    pod = await ready_pod(api, "a")
                    assert pod["status"]["containerStatuses"][0]["restartCount"] == 1
                    return pod

                pod = await eventually(restarted, within_s=30)
                async with aiohttp.ClientSession() as session:
                    assert (await ask(session, pod))["version"] == "v1"


async def test_a_program_that_crashes_is_restarted_and_backs_off(tmp_path: Path) -> None:
    crashing = pod_object("a", probe=None)
    crashing["spec"]["containers"][0]["command"] = ["sh", "-c", "exit 3"]
    with api_server(tmp_path) as url, node(url):
        async with HttpApi(url) as api:
            await api.create(POD, crashing)

            async def backs_off() -> Object:
                (container,) = (await pod_named(api, "a"))["status"]["containerStatuses"]
                assert container["state"]["waiting"]["reason"] == "CrashLoopBackOff"
                found: Object = container
                return found

            container = await eventually(backs_off, within_s=30, ignoring=(KeyError,))
            assert (container["restartCount"], container["lastState"]["terminated"]["exitCode"]) == (1, 3)


async def test_lag_is_set_on_a_live_node_but_not_by_a_web_page(tmp_path: Path) -> None:
    with api_server(tmp_path) as url, node(url) as served:
        async with aiohttp.ClientSession(f"http://{served.addresses['node']}") as session:
            async with session.put("/lag", params={"endpoints": "3s"}) as answer:
                assert (answer.status, (await answer.json())["endpoints"]) == (200, 3)
            async with session.put("/lag", params={"endpoints": "soon"}) as answer:
                assert (answer.status, await answer.text()) == (
                    400,
                    'lag of endpoints: "soon" is not a duration: write 90s, 1m30s or 500ms',
                )
            async with session.put("/lag", headers={"Origin": "http://evil.example"}) as answer:
                assert answer.status == 403
            async with session.get("/lag") as answer:
                assert (await answer.json())["endpoints"] == 3


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (
            ("--lag", "wire=3s"),
            'Error: "wire" is no hop that can lag here: choose from vs, dr, endpoints, selector, readiness\n',
        ),
        (("--drain", "soon"), 'Error: --drain: "soon" is not a duration: write 90s, 1m30s or 500ms\n'),
    ],
)
async def test_a_flag_that_makes_no_sense_is_one_sentence(flags: tuple[str, ...], sentence: str) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "meshsim.runtime", "--api", "http://127.0.0.1:1", "--port", "0", *flags,
        stderr=asyncio.subprocess.PIPE, cwd=REPOSITORY,
    )  # fmt: skip
    _, told = await process.communicate()
    assert (process.returncode, told.decode()) == (2, sentence)


async def test_a_node_ends_when_it_is_told_to_and_frees_its_addresses(tmp_path: Path) -> None:
    with api_server(tmp_path) as url:
        async with HttpApi(url) as api, aiohttp.ClientSession() as session:
            with node(url) as served:
                await api.create(POD, pod_object("a"))
                pod = await eventually(lambda: ready_pod(api, "a"), within_s=30)
                served.process.terminate()
                assert served.process.wait(5) == 0
            with pytest.raises(aiohttp.ClientError):
                await ask(session, pod)
            assert not (await api.get(POD, Key("default", "a")))["metadata"].get("deletionTimestamp")
