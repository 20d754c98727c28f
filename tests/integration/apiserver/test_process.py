"""The API server as a process: what it refuses to do for others, and what a person may ask of it."""

import contextlib
import http.client
import re
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from meshsim.client.connection import tls_of
from meshsim.client.kubeconfig import Kubeconfig
from meshsim.kit.errors import ExitCode
from tests.kits.processes import REPOSITORY, Served, serving

pytestmark = pytest.mark.integration

FREE = ("--port", "0", "--dashboard-port", "0")


@contextlib.contextmanager
def apiserver(*flags: str) -> Iterator[Served]:
    with serving("meshsim.apiserver", *FREE, *flags) as served:
        yield served


def refused(*flags: str) -> tuple[int, str]:
    """How a server that doesn't start ends."""
    command = [sys.executable, "-m", "meshsim.apiserver", *FREE, *flags]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=15, check=False, cwd=REPOSITORY)
    return ran.returncode, ran.stderr


def status(address: str, path: str, headers: dict[str, str], tls: ssl.SSLContext | None = None) -> int:
    host, _, port = address.rpartition(":")
    if tls is None:
        connection = http.client.HTTPConnection(host, int(port), timeout=5)
    else:
        connection = http.client.HTTPSConnection(host, int(port), timeout=5, context=tls)
    try:
        connection.request("GET", path, headers=headers)
        return connection.getresponse().status
    finally:
        connection.close()


def port_of(served: Served, name: str) -> int:
    return int(served.addresses[name].rpartition(":")[2])


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "box.example"])
def test_plain_http_is_for_this_machine_alone(host: str) -> None:
    code, said = refused("--insecure-http", "--host", host)
    assert code == ExitCode.USAGE
    assert said.startswith(f"Error: --insecure-http lets in everybody who reaches {host}, and this API starts programs")
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (("--tls-cert-file", "x"), "--tls-cert-file and --tls-private-key-file go together"),
        (("--tls-cert-file", "x", "--tls-private-key-file", "y", "--data-dir", "{}"), "x: No such file or directory"),
        (("--allowed-host", "a b"), '"a b" is not a host name'),
        (("--token-file", "/dev/null", "--data-dir", "{}"), "/dev/null"),
    ],
)
def test_what_cannot_be_is_one_sentence(flags: tuple[str, ...], sentence: str, tmp_path: Path) -> None:
    code, said = refused(*(flag.format(tmp_path) for flag in flags))
    assert code in (ExitCode.USAGE, ExitCode.CANNOT_START)
    assert sentence in said
    assert "Traceback" not in said


def test_other_addresses_of_the_machine_do_not_reach_it_by_default(tmp_path: Path) -> None:
    interfaces = [address for many in psutil.net_if_addrs().values() for address in many]
    others = {one.address for one in interfaces if one.family == socket.AF_INET} - {"127.0.0.1"} | {"127.0.0.2"}
    with apiserver("--data-dir", str(tmp_path)) as served:
        for name in ("api", "dashboard"):
            for other in others:
                with pytest.raises(OSError, match="refused"):
                    socket.create_connection((other, port_of(served, name)), timeout=2)


def test_on_another_address_the_dashboard_asks_for_the_token_over_tls(tmp_path: Path) -> None:
    with apiserver("--data-dir", str(tmp_path), "--host", "0.0.0.0") as served:
        connection = Kubeconfig(Path(served.addresses["kubeconfig"])).read()
        assert connection.url == f"https://127.0.0.1:{port_of(served, 'api')}"
        tls, address = tls_of(connection), f"127.0.0.1:{port_of(served, 'dashboard')}"
        assert status(address, "/live", {}, tls) == 401
        assert status(address, "/", {"Authorization": "Bearer wrong"}, tls) == 401
        assert status(address, "/", {"Authorization": f"Bearer {connection.token}"}, tls) == 200
        assert status(address, "/healthz", {}, tls) == 200
        assert status(address, "/", {}) == 400, "plain HTTP"


def test_it_may_be_opened_to_everybody_but_the_api_is_not(tmp_path: Path) -> None:
    flags = (*FREE, "--data-dir", str(tmp_path), "--host", "0.0.0.0", "--insecure-bind")
    with serving("meshsim.apiserver", *flags, stderr=subprocess.PIPE) as served:
        assert status(f"127.0.0.1:{port_of(served, 'dashboard')}", "/", {}) == 200
        tls = tls_of(Kubeconfig(Path(served.addresses["kubeconfig"])).read())
        assert status(f"127.0.0.1:{port_of(served, 'api')}", "/api", {}, tls) == 401
        served.process.terminate()
        assert served.process.stderr is not None
        assert b"everybody who reaches 0.0.0.0 sees what the dashboard shows" in served.process.stderr.read()


def test_whoever_starts_it_by_hand_is_told_where_its_kubeconfig_is(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "meshsim.apiserver", *FREE, "--data-dir", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY) as process:
        assert process.stdout is not None
        told = process.stdout.readline()
        process.terminate()
    assert re.fullmatch(rf"API         https://127\.0\.0\.1:\d+   \(kubeconfig: {tmp_path}/kubeconfig\)\n", told)


def test_clients_are_told_the_name_that_is_advertised(tmp_path: Path) -> None:
    file = tmp_path / "shared" / "kubeconfig"
    flags = ("--data-dir", str(tmp_path / "data"), "--advertise-host", "apiserver", "--write-kubeconfig", str(file))
    with apiserver(*flags, "--allowed-host", "lab.example") as served:
        connection = Kubeconfig(file).read()
        assert connection.url == f"https://apiserver:{port_of(served, 'api')}"
        assert connection.server_name == ""
        known = {"Authorization": f"Bearer {connection.token}"}
        for host in ("apiserver", "lab.example:443", "localhost"):
            assert status(served.addresses["api"], "/api", {**known, "Host": host}, tls_of(connection)) == 200


def test_without_a_data_directory_a_port_keeps_its_credentials(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    flags = ("meshsim.apiserver", "--port", port, "--dashboard-port", "0")
    connections = []
    for _ in range(2):
        with serving(*flags, environment={"XDG_STATE_HOME": str(tmp_path)}) as served:
            connections.append(Kubeconfig(Path(served.addresses["kubeconfig"])).read())
    assert connections[0] == connections[1]
    with apiserver() as served:
        passing = Path(served.addresses["kubeconfig"])
        assert passing.exists()
    assert not passing.exists()
