"""A team's own program, two versions of it as processes, released through the mesh."""

import signal
import sys
from contextlib import suppress
from pathlib import Path

import psutil

from meshsim.api.kinds import POD
from tests.kits.eventually import eventually_blocking
from tests.kits.up import BLOG, Mesh, callers, mesh

APP = """
import os
import subprocess
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body = os.environ["HOSTNAME"].encode()
        self.send_response(200)
        self.send_header("x-version", os.environ["HOSTNAME"])
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass

class Server(ThreadingHTTPServer):
    request_queue_size = 100

if os.environ.get("DAEMON"):
    subprocess.Popen(["sleep", "300"], start_new_session=True)
print("up", flush=True)
Server((os.environ["HOST"], int(os.environ["PORT"])), Handler).serve_forever()
"""

ROLLOUT = """
apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata: {{name: my-app}}
spec:
  replicas: 3
  selector: {{matchLabels: {{app: my-app}}}}
  template:
    metadata: {{labels: {{app: my-app}}}}
    spec:
      containers:
      - name: my-app
        image: my-app:v1
        command: [{python}, app.py]
        workingDir: {directory}
        env: [{{name: DAEMON, value: "{daemon}"}}]
        ports: [{{containerPort: 8080}}]
        readinessProbe: {{httpGet: {{path: /, port: 8080}}, periodSeconds: 1}}
  strategy:
    canary:
      trafficRouting: {{istio: {{virtualService: {{name: my-app, routes: [http-my-app-primary]}}}}}}
      canaryService: my-app-canary
      stableService: my-app-stable
      steps:
      - setWeight: 50
      - pause: {{duration: 20}}
"""


def manifests(directory: Path, daemon: str = "") -> list[str]:
    """The team's Rollout beside the Services and the VirtualService of the example."""
    (directory / "app.py").write_text(APP)
    rollout = directory / "rollout.yaml"
    rollout.write_text(ROLLOUT.format(python=sys.executable, directory=directory, daemon=daemon))
    return [str(rollout), f"{BLOG}/services.yaml", f"{BLOG}/virtualservice.yaml"]


def programs(up: Mesh) -> list[psutil.Process]:
    """The team's program, each time it runs."""
    found = []
    for one in up.everything():
        # It may end while it is looked at.
        with suppress(psutil.NoSuchProcess):
            if "app.py" in one.cmdline():
                found.append(one)
    return found


def test_a_program_is_released_without_a_failed_request_and_replaced_when_it_is_killed(tmp_path: Path) -> None:
    with mesh(tmp_path, "--speed", "10", manifests=manifests(tmp_path)) as up:
        eventually_blocking(lambda: up.is_at("Healthy"), within_s=60)
        eventually_blocking(up.serves, within_s=30)
        with callers(up) as calls:
            up.cli("set", "image", "my-app", "my-app=my-app:v2")
            eventually_blocking(lambda: up.is_at("Paused"), within_s=60)
            eventually_blocking(lambda: up.is_at("Healthy"), within_s=60)
            eventually_blocking(lambda: len(programs(up)) == 3, within_s=30)
        assert (calls.failures, calls.total > 100) == ([], True)
        pod = up.listed(POD)[0]["metadata"]["name"]
        assert up.cli("logs", f"pod/{pod}", "-c", "my-app", "--tail", "1") == "up\n"
        refused = up.run("logs", "nobody")
        assert (refused.code, refused.err) == (1, 'Error: pods "nobody" not found\n')
        victim = programs(up)[0]
        victim.kill()
        eventually_blocking(lambda: restarts(up) == [0, 0, 1], within_s=30)
        eventually_blocking(lambda: len(programs(up)) == 3, within_s=30)
        assert victim.pid not in [one.pid for one in programs(up)]


def test_two_commands_are_a_release_of_one_program_by_the_other(tmp_path: Path) -> None:
    # It listens at every address, as programs do that know nothing of pods.
    (tmp_path / "app.py").write_text(APP.replace('os.environ["HOST"]', '""').replace("HOSTNAME", "FEATURE"))
    command = f"{sys.executable} {tmp_path / 'app.py'}"
    words = (
        "--stable",
        command,
        "--canary",
        command,
        "--env",
        "FEATURE=0",
        "--env",
        "canary:FEATURE=1",
        "--ready",
        "/",
    )
    with mesh(tmp_path, *words, "--steps", "50", "--name", "my-app", manifests=[]) as up:
        eventually_blocking(lambda: up.is_at("Paused"), within_s=60)
        answers = {up.request(host="anybody").body for _ in range(60)}
        assert answers == {b"0", b"1"}
        up.cli("promote", "my-app")
        eventually_blocking(lambda: up.is_at("Healthy"), within_s=60)
        eventually_blocking(lambda: {up.request().body for _ in range(10)} == {b"1"}, within_s=30)


def restarts(up: Mesh) -> list[int]:
    return sorted(pod["status"]["containerStatuses"][0]["restartCount"] for pod in up.listed(POD))


def test_no_program_survives_a_mesh_that_is_killed(tmp_path: Path) -> None:
    with mesh(tmp_path, manifests=manifests(tmp_path, daemon="yes")) as up:
        eventually_blocking(lambda: up.is_at("Healthy"), within_s=60)
        everything, node = up.everything(), up.children()["node"]
        assert len(programs(up)) == 3
        assert sum("300" in one.cmdline() for one in everything) == 3
        node.send_signal(signal.SIGSTOP)  # so that it cannot help
        up.process.kill()
        up.process.wait()
        node.kill()
        eventually_blocking(lambda: not any(alive(one) for one in everything), within_s=30)


def alive(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
