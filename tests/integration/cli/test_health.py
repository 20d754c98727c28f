"""`meshsim health` of planes that run."""

from pathlib import Path

import pytest

from tests.kits.processes import meshsim, serving

pytestmark = [pytest.mark.integration, pytest.mark.timeout(60)]


def _port(address: str) -> str:
    return address.rpartition(":")[2]


def test_planes_that_are_well_are_named_and_one_that_is_gone_fails(tmp_path: Path) -> None:
    free = ("--port", "0", "--dashboard-port", "0", "--data-dir", str(tmp_path))
    with serving("meshsim.apiserver", *free) as server:
        api = f"apiserver={_port(server.addresses['api'])}"
        with serving("meshsim.runtime", "--kubeconfig", server.addresses["kubeconfig"], "--port", "0") as node:
            of_node = f"node={_port(node.addresses['node'])}"
            well = meshsim("health", api, of_node)
            assert (well.code, well.out, well.err) == (0, "healthy: apiserver, node\n", "")
        gone = meshsim("health", api, of_node)
        assert gone.code == 1
        assert gone.err == f"Error: the node does not listen at port {of_node.removeprefix('node=')}\n"


def test_a_plane_that_is_not_ready_is_not_healthy() -> None:
    nobody = "http://127.0.0.1:1"
    free = ("--port", "0", "--admin-port", "0", "--stats-port", "0")
    with serving("meshsim.proxy", "--api", nobody, *free) as proxy:
        port = _port(proxy.addresses["stats"])
        ran = meshsim("health", f"proxy={port}")
        assert (ran.code, ran.err) == (1, f"Error: the proxy at port {port} is not ready: it answers 503\n")
        no_tls = meshsim("health", f"apiserver={port}")
        assert no_tls.code == 1
        assert no_tls.err.startswith(f"Error: the apiserver at port {port} does not answer: ")


@pytest.mark.parametrize("plane", ["cat", "node=", "node=x", "node=0", "node=65536"])
def test_a_plane_that_is_none_is_refused(plane: str) -> None:
    ran = meshsim("health", plane)
    assert ran.code == 2
    assert f'"{plane}" is not one of apiserver, controller, node, proxy' in ran.err
