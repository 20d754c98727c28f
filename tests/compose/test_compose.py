"""`docker compose up` on a real engine: the same release, a container per plane."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Event

import pytest
import yaml

from meshsim.client.kubeconfig import Kubeconfig, kubeconfig_of
from tests.kits.compose import Answer, Composed, Kubectl, ask, composed, contained, docker
from tests.kits.eventually import eventually_blocking
from tests.kits.processes import REPOSITORY, meshsim

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
    eventually_blocking(lambda: mesh.health(service) == "healthy", within_s=60)
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


@pytest.fixture
def kubectl(mesh: Composed, tmp_path: Path) -> Kubectl:
    return Kubectl(mesh, tmp_path)


_SHELL = """
apiVersion: v1
kind: Pod
metadata: {name: shell}
spec:
  terminationGracePeriodSeconds: 0
  containers: [{name: shell, image: "shell:v1", command: [sh, -c, "echo I am $HOSTNAME; exec sleep 1000"]}]
"""


def test_kubectl_on_this_machine_reaches_into_the_nodes_container(mesh: Composed, kubectl: Kubectl) -> None:
    assert kubectl("apply", "-f", "-", stdin=_SHELL).stdout == "pod/shell created\n"
    assert kubectl("wait", "pod/shell", "--for=condition=Ready", "--timeout=30s").returncode == 0
    logs = kubectl("logs", "shell")
    assert (logs.stdout, logs.stderr) == ("I am shell\n", "")
    assert mesh.meshsim("logs", "shell") == "I am shell\n"
    ran = kubectl("exec", "-i", "shell", "--", "sh", "-c", "tr a-z A-Z; exit 3", stdin="hello")
    assert (ran.stdout, ran.returncode) == ("HELLO", 3), ran.stderr
    used = kubectl("top", "pod", "shell", "--no-headers")
    assert used.stdout.startswith("shell "), used.stderr
    assert kubectl("delete", "pod", "shell").returncode == 0


def test_a_pods_port_is_forwarded_to_this_machine(kubectl: Kubectl) -> None:
    pods = kubectl("get", "pods", "-o", "name").stdout.split()
    with kubectl.forwarding(pods[0], 8080) as address:
        for _ in range(3):
            assert ask(address, "anything") == Answer(200, "v1")


def test_the_node_is_registered_where_the_other_containers_reach_it(mesh: Composed, kubectl: Kubectl) -> None:
    [address] = (each["IPAddress"] for each in mesh.inspect("node")["NetworkSettings"]["Networks"].values())
    path = "jsonpath={.items[*].status.addresses[?(@.type=='InternalIP')].address}"
    assert kubectl("get", "nodes", "-o", path).stdout == address
    assert mesh.read(f"http://{address}:10250/healthz") == "ok\n"


def test_the_log_ends_with_where_everything_is(mesh: Composed) -> None:
    eventually_blocking(lambda: "the mesh is ready" in mesh.compose("logs", "ready"), within_s=60)
    assert "traffic     http://127.0.0.1:0 " in mesh.compose("logs", "--no-color", "ready"), (
        "the port that was asked for"
    )


def test_what_prometheus_is_told_to_scrape_shows_the_split(mesh: Composed) -> None:
    assert mesh.ask() == Answer(200, "v1")
    for scrape in yaml.safe_load((REPOSITORY / "deploy" / "prometheus.yml").read_text())["scrape_configs"]:
        path = scrape.get("metrics_path", "/metrics")
        pages = [mesh.read(f"http://{target}{path}") for each in scrape["static_configs"] for target in each["targets"]]
        assert all("# TYPE " in page for page in pages)
        if scrape["job_name"] == "proxy":
            assert 'destination_version="v1"' in pages[0]


def test_one_container_runs_it_all_for_anybody_on_a_read_only_root_without_a_home() -> None:
    manifests = f"{REPOSITORY / 'examples' / 'blog-canary'}:/manifests:ro"
    options = ("--read-only", "--tmpfs", "/tmp", "--user", "4242:4242", "--env", "HOME=", "--volume", manifests)
    harmless = ("--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--publish", "127.0.0.1::8080")
    with contained("up", "--host", "0.0.0.0", "-f", "/manifests", options=(*options, *harmless)) as container:

        def health() -> str:
            return docker("inspect", "--format", "{{.State.Health.Status}}", container).strip()

        eventually_blocking(lambda: health() == "healthy", within_s=120)
        address = docker("port", container, "8080").strip()
        eventually_blocking(lambda: ask(address, "my-app") == Answer(200, "v1"), within_s=30, ignoring=(OSError,))
        assert docker("exec", container, "meshsim", "health") == "healthy: apiserver, controller, node, proxy\n"
        assert "rollout" in docker("exec", container, "meshsim", "get", "rollout", "my-app").lower()
        assert "(Host: my-app)" in docker("logs", container)


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


def test_a_restarted_node_leaves_the_proxy_unhealthy_until_it_is_restarted_too(
    mesh: Composed, kubectl: Kubectl
) -> None:
    mesh.compose("restart", "node")
    eventually_blocking(lambda: mesh.health("proxy") == "unhealthy", within_s=120)
    mesh.compose("restart", "proxy")
    eventually_blocking(lambda: mesh.health("proxy") == "healthy", within_s=60)
    eventually_blocking(lambda: mesh.ask() == Answer(200, "v2"), within_s=60, ignoring=(OSError,))
    pod = kubectl("get", "pods", "-o", "name").stdout.split()[0]
    assert "v2 listens on" in kubectl("logs", pod).stdout, "wherever the node is now"
