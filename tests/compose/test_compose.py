"""`docker compose up` on a real engine: the same release, a container per plane."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Event

import pytest

from meshsim.client.kubeconfig import Kubeconfig, kubeconfig_of
from tests.kits.compose import Answer, Composed, composed
from tests.kits.eventually import eventually_blocking
from tests.kits.processes import meshsim

PLANES = ("apiserver", "controller", "node", "proxy")


@pytest.fixture(scope="module")
def mesh() -> Iterator[Composed]:
    with composed(speed=20) as mesh:
        eventually_blocking(lambda: mesh.ask() == Answer(200, "v1"), within_s=60, ignoring=(OSError,))
        yield mesh


@pytest.mark.parametrize("service", PLANES)
def test_a_plane_runs_healthy_without_privileges_and_is_published_to_this_machine_only(
    mesh: Composed, service: str
) -> None:
    eventually_blocking(lambda: mesh.inspect(service)["State"]["Health"]["Status"] == "healthy", within_s=60)
    container = mesh.inspect(service)
    assert container["Config"]["User"] == "10001:10001"
    assert container["HostConfig"]["ReadonlyRootfs"]
    assert container["HostConfig"]["CapDrop"] == ["ALL"]
    assert container["HostConfig"]["SecurityOpt"] == ["no-new-privileges:true"]
    bindings = [each for many in (container["HostConfig"]["PortBindings"] or {}).values() for each in many]
    assert {each["HostIp"] for each in bindings} <= {"127.0.0.1"}


def test_the_api_lets_in_who_is_given_its_kubeconfig_and_nobody_else(mesh: Composed, tmp_path: Path) -> None:
    server = f"https://{mesh.compose('port', 'apiserver', '6443').strip()}"
    file = tmp_path / "kubeconfig"
    file.write_text(mesh.meshsim("kubeconfig", "--raw", "--server", server))
    ran = meshsim("get", "pods", "--kubeconfig", str(file))
    assert ran.code == 0, ran.err
    assert "my-app-" in ran.out
    connection = Kubeconfig(file).read()
    file.write_text(kubeconfig_of(replace(connection, token="")))
    assert "(Unauthorized)" in meshsim("get", "pods", "--kubeconfig", str(file)).err
    for service in PLANES:
        assert connection.token not in str(mesh.inspect(service))
    assert connection.token not in mesh.compose("logs")


def test_locust_loads_the_mesh_from_a_container_of_its_own(mesh: Composed) -> None:
    out = mesh.compose(
        "--profile", "load", "run", "--rm", "-T", "load", "--host", "http://node:15001",
        "--headless", "-u", "5", "-r", "5", "-t", "3s",
    )  # fmt: skip
    assert any(line.startswith("v1 ") for line in out.splitlines()), out


def test_a_new_image_is_rolled_out_while_every_request_is_answered(mesh: Composed) -> None:
    answers: list[Answer] = []
    done = Event()

    def keep_asking() -> None:
        while not done.wait(0.1):
            answers.append(mesh.ask())

    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(keep_asking)
        try:
            mesh.meshsim("set", "image", "my-app", "my-app=my-app:v2")
            mesh.meshsim("status", "my-app", "--timeout", "120s")
        finally:
            done.set()
        asking.result()

    assert {answer.status for answer in answers} == {200}
    assert {answer.version for answer in answers} == {"v1", "v2"}
    assert {mesh.ask().version for _ in range(5)} == {"v2"}
    assert "Healthy" in mesh.meshsim("get", "rollout", "my-app")


def test_a_restarted_node_leaves_the_proxy_unhealthy_until_it_is_restarted_too(mesh: Composed) -> None:
    def health() -> str:
        return str(mesh.inspect("proxy")["State"]["Health"]["Status"])

    mesh.compose("restart", "node")
    eventually_blocking(lambda: health() == "unhealthy", within_s=120)
    mesh.compose("restart", "proxy")
    eventually_blocking(lambda: health() == "healthy", within_s=60)
    eventually_blocking(lambda: mesh.ask() == Answer(200, "v2"), within_s=60, ignoring=(OSError,))
