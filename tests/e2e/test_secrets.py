"""The token of a running mesh: where it is, and where it never is."""

import json
import os
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from meshsim.client.connection import Connection
from meshsim.client.kubeconfig import Kubeconfig
from tests.kits.eventually import eventually_blocking
from tests.kits.up import Mesh, mesh


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the mesh keeps what it keeps."""
    return tmp_path_factory.mktemp("mesh") / "state"


@pytest.fixture(scope="module")
def output(state: Path) -> Path:
    """What the mesh says, on both streams."""
    return state.with_name("output")


@pytest.fixture(scope="module")
def running(state: Path, output: Path) -> Iterator[Mesh]:
    """Given the example, running."""
    with output.open("wb") as out, mesh(state, stdout=out, stderr=out.fileno()) as up:
        eventually_blocking(up.serves, within_s=30)
        yield up


def test_two_files_of_its_owner_hold_it_and_no_other(running: Mesh, state: Path) -> None:
    directory = Path(running.addresses["kubeconfig"]).parent
    token = Kubeconfig(directory / "kubeconfig").read().token.encode()
    holders = set()
    for path in state.rglob("*"):
        if path.is_file() and token in path.read_bytes():
            holders.add(path.relative_to(directory).as_posix())
            assert path.stat().st_mode & 0o777 == 0o600
    assert holders == {"kubeconfig", "token"}


def test_nothing_of_a_mesh_is_reached_from_elsewhere(running: Mesh) -> None:
    listening = {
        (connection.laddr.ip, connection.laddr.port)
        for process in running.everything()
        for connection in process.net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN
    }
    assert {ip for ip, _ in listening if not ip.startswith("127.")} == set()
    told = {int(address.rpartition(":")[2]) for name, address in running.addresses.items() if name != "kubeconfig"}
    assert told <= {port for _, port in listening}


def test_no_process_shows_the_token_and_nobody_is_told_it(running: Mesh, output: Path) -> None:
    """The last one: it ends the mesh, to hear what it says then."""
    kubeconfig = Path(running.addresses["kubeconfig"])
    token = Kubeconfig(kubeconfig).read().token
    assert len(token) >= 32

    said = _everything_said(running, kubeconfig)
    processes = running.everything()
    assert len(processes) >= 5
    for process in processes:
        said += "\n".join(process.cmdline()) + "\n".join(process.environ().values())
    running.process.terminate()
    running.process.wait()
    said += output.read_text()
    assert "created" in said
    assert token not in said


def _everything_said(running: Mesh, kubeconfig: Path) -> str:
    """Answers of all kinds, most of them refusals, and every object that there is."""
    connection = Kubeconfig(kubeconfig).read()
    said = ""
    for arguments in (
        ("get", "rollouts"),
        ("get", "rollout", "nothing"),
        ("describe", "rollout", "my-app"),
        ("events",),
        ("ps",),
        ("kubeconfig",),
        ("get", "pods", "--kubeconfig", str(kubeconfig.with_name("token"))),
        ("get", "pods", "--kubeconfig", _with_another_authority(kubeconfig, connection)),
    ):
        ran = running.run(*arguments)
        said += ran.out + ran.err
    for name, address in running.addresses.items():
        if name != "kubeconfig" and address.startswith("http://"):
            said += _plain(address)
    said += _plain(connection.url)
    for path in ("/api/v1/events", "/api/v1/configmaps", "/api/v1/secrets", "/api/v1/pods", "/api/v1/nope", "/apis"):
        said += running.ask_api(path).body.decode()
    return said


def _with_another_authority(kubeconfig: Path, connection: Connection) -> str:
    file = kubeconfig.parent.parent / "wrong"
    content = json.dumps(
        {
            "current-context": "a",
            "contexts": [{"name": "a", "context": {"cluster": "a", "user": "a"}}],
            "clusters": [{"name": "a", "cluster": {"server": connection.url}}],
            "users": [{"name": "a", "user": {"token": connection.token}}],
        }
    )
    descriptor = os.open(file, os.O_CREAT | os.O_WRONLY, 0o600)
    with os.fdopen(descriptor, "w") as opened:
        opened.write(content)
    return str(file)


def _plain(url: str) -> str:
    """What is answered to a request over plain HTTP, if anything is."""
    host, _, port = url.partition("://")[2].rpartition(":")
    with suppress(OSError), socket.create_connection((host, int(port)), timeout=5) as connection:
        connection.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        received = b""
        while chunk := connection.recv(65536):
            received += chunk
        return received.decode(errors="replace")
    return ""
