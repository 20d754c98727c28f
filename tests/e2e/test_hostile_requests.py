"""More than a hundred requests that nobody means well with: each gets its status, and the server tells nothing."""

import http.client
import socket
import ssl
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from meshsim.client.connection import tls_of
from meshsim.client.kubeconfig import Kubeconfig
from tests.kits.hostile import CANARY, RAW, TRAVERSALS, Hostile, to_the_api
from tests.kits.processes import Served, serving


@dataclass(frozen=True, slots=True)
class Server:
    """A server as it is by default, and what it has written to its log."""

    served: Served
    tls: ssl.SSLContext
    token: str
    log: Path

    def ask(self, one: Hostile, *, at: str = "api") -> tuple[int, dict[str, str], bytes]:
        """Send it on a connection of its own."""
        host, _, port = self.served.addresses[at].rpartition(":")
        plain = http.client.HTTPConnection(host, int(port), timeout=20)
        connection = (
            http.client.HTTPSConnection(host, int(port), timeout=20, context=self.tls) if at == "api" else plain
        )
        headers = dict(one.headers)
        if one.signs_in and at == "api":
            headers["Authorization"] = f"Bearer {self.token}"
        try:
            connection.putrequest(one.method, one.path, skip_host="Host" in headers, skip_accept_encoding=True)
            for name, value in {**headers, "Content-Length": str(len(one.body))}.items():
                connection.putheader(name, value)
            connection.endheaders()
            with suppress(OSError):  # It has heard enough.
                connection.send(one.body)
            reply = connection.getresponse()
            return reply.status, {name.lower(): value for name, value in reply.getheaders()}, reply.read()
        finally:
            connection.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Given a server with its credentials."""
    directory = tmp_path_factory.mktemp("server")
    flags = ("--port", "0", "--dashboard-port", "0", "--data-dir", str(directory / "data"))
    with (directory / "log").open("wb") as log, serving("meshsim.apiserver", *flags, stderr=log.fileno()) as served:
        connection = Kubeconfig(Path(served.addresses["kubeconfig"])).read()
        yield Server(served, tls_of(connection), connection.token, directory / "log")


@pytest.mark.parametrize("one", to_the_api(), ids=lambda one: one.what)
def test_a_hostile_request_gets_the_status_it_deserves(server: Server, one: Hostile) -> None:
    status, headers, body = server.ask(one)
    assert status in one.right, body[:300]
    assert "access-control-allow-origin" not in headers
    assert CANARY.encode() not in body
    if status == 401:
        assert "www-authenticate" in headers


@pytest.mark.parametrize("path", TRAVERSALS)
def test_the_dashboard_serves_its_own_files_only(server: Server, path: str) -> None:
    status, _, body = server.ask(Hostile(path, (), path=path), at="dashboard")
    assert status in (400, 404)
    assert b"root:" not in body
    assert b"import" not in body


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.nip.io", "localhost.evil.example"])
def test_the_dashboard_is_shown_under_names_of_this_machine_only(server: Server, host: str) -> None:
    status, headers, _ = server.ask(Hostile(host, (), path="/live", headers={"Host": host}), at="dashboard")
    assert status == 403
    assert {"default-src 'self'", "frame-ancestors 'none'"} <= set(headers["content-security-policy"].split("; "))


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_the_dashboard_changes_nothing(server: Server, method: str) -> None:
    assert server.ask(Hostile(method, (), method, "/live", body=b"a=b"), at="dashboard")[0] == 405


@pytest.mark.parametrize("at", ["api", "dashboard"])
@pytest.mark.parametrize("data", RAW, ids=lambda data: repr(data[:30]))
def test_bytes_that_are_no_request_are_answered_or_cut_off(server: Server, at: str, data: bytes) -> None:
    host, _, port = server.served.addresses[at].rpartition(":")
    with socket.create_connection((host, int(port)), timeout=5) as plain:
        connection = server.tls.wrap_socket(plain, server_hostname=host) if at == "api" else plain
        with connection:
            try:
                connection.sendall(data)
                answer = connection.recv(1000)
            except OSError:
                answer = b""
        assert not answer or answer.split(b" ", 2)[1] == b"400", answer


def test_after_all_that_the_server_lives_and_has_told_nothing(server: Server) -> None:
    """The last one: what the others have sent is behind it."""
    assert server.ask(Hostile("alive", (200,), path="/readyz"))[0] == 200
    log = server.log.read_text(errors="replace")
    assert "Traceback" not in log
    for secret in (CANARY, server.token):
        assert secret not in log
        assert not any(secret in part for part in psutil.Process(server.served.process.pid).cmdline())
