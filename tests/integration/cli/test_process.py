"""The command as a process: how it ends when its reader or its user leaves."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from meshsim.cli.passed_on import PASSED_ON
from meshsim.client.connection import Connection
from meshsim.client.kubeconfig import kubeconfig_of
from tests.kits.processes import REPOSITORY, meshsim, serving


def test_a_reader_that_leaves_ends_it_quietly() -> None:
    command = [sys.executable, "-m", "meshsim", "--help"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=REPOSITORY) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 141


def test_ctrl_c_ends_a_verb_that_waits_without_a_traceback(tmp_path: Path) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    with serving("meshsim.apiserver", "--insecure-http", "--port", "0", "--dashboard-port", "0") as served:
        kubeconfig.write_text(kubeconfig_of(Connection(f"http://{served.addresses['api']}")))
        command = [sys.executable, "-m", "meshsim", "list", "rollouts", "-w", "--kubeconfig", str(kubeconfig)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=REPOSITORY) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            assert process.stdout.readline().startswith(b"NAME")
            process.send_signal(signal.SIGINT)
            assert process.stderr.read() == b""
            assert process.wait() == 130


def test_an_api_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(kubeconfig_of(Connection("http://127.0.0.1:1")))
    ran = meshsim("get", "pods", "--kubeconfig", str(kubeconfig))
    assert ran.code == 1
    assert ran.err.startswith("Error: the API at http://127.0.0.1:1 cannot be reached: ")
    assert len(ran.err.splitlines()) == 1


def test_a_plane_is_run_with_the_flags_it_is_given() -> None:
    ran = meshsim("apiserver", "--port", "x")
    assert ran.code == 2
    assert "Error: argument --port" in ran.err


@pytest.mark.parametrize("plane", PASSED_ON)
def test_every_flag_that_up_passes_on_is_the_planes(plane: str) -> None:
    told = meshsim(plane, "--help").out
    assert [one.flag for one in PASSED_ON[plane] if f" {one.flag}" not in told] == []
