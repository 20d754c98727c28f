"""`python -m controller` as a process: it waits for its API, works when that comes, and ends when told."""

import json
import signal
import socket
import subprocess
import sys
import urllib.request

import pytest

from meshsim.api.decode import Object
from meshsim.kit.errors import ExitCode
from tests.kits.eventually import eventually_blocking
from tests.kits.processes import REPOSITORY, serving
from tests.kits.releases import routed_canary

pytestmark = [pytest.mark.integration, pytest.mark.timeout(60)]


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port


def _read(url: str) -> str:
    with urllib.request.urlopen(url, timeout=5) as answer:
        text: str = answer.read().decode()
    return text


def _create(api: str, path: str, obj: Object) -> None:
    request = urllib.request.Request(
        f"http://{api}{path}", json.dumps(obj).encode(), {"Content-Type": "application/json"}, method="POST"
    )
    urllib.request.urlopen(request, timeout=5).close()


def test_it_serves_before_the_api_does_and_works_once_that_is_there() -> None:
    port = _free_port()
    (rollout,) = (obj for obj in routed_canary([{"setWeight": 20}]) if obj["kind"] == "Rollout")
    with serving("controller", "--api", f"http://127.0.0.1:{port}", "--port", "0") as controller:
        metrics = f"http://{controller.addresses['metrics']}/metrics"
        assert _read(f"http://{controller.addresses['metrics']}/healthz") == "ok"
        assert "argo_rollouts_controller_info" in _read(metrics)
        with serving("meshsim.apiserver", "--insecure-http", "--port", str(port), "--dashboard-port", "0") as api:
            _create(api.addresses["api"], "/apis/argoproj.io/v1alpha1/namespaces/default/rollouts", rollout)
            eventually_blocking(lambda: 'rollout_info{namespace="default",name="demo"' in _read(metrics))
        # Its API went away: it keeps what it knows and its pages.
        assert 'rollout_info{namespace="default",name="demo"' in _read(metrics)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_quietly_when_told(how: signal.Signals) -> None:
    with serving("controller", "--api", "http://127.0.0.1:1", "--port", "0", stderr=subprocess.PIPE) as controller:
        controller.process.send_signal(how)
        assert controller.process.wait(10) == ExitCode.DONE
        assert controller.process.stderr is not None
        assert b"Traceback" not in controller.process.stderr.read()


def test_a_port_that_is_taken_is_one_sentence() -> None:
    with serving("controller", "--api", "http://127.0.0.1:1", "--port", "0") as controller:
        port = controller.addresses["metrics"].rsplit(":", 1)[1]
        command = [sys.executable, "-m", "controller", "--api", "http://127.0.0.1:1", "--port", port]
        ran = subprocess.run(command, capture_output=True, text=True, timeout=15, check=False, cwd=REPOSITORY)
    assert ran.returncode == ExitCode.CANNOT_START
    (sentence,) = ran.stderr.splitlines()
    assert port in sentence
