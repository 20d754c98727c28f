"""A proxy as a process of its own, in front of an upstream that says hello."""

import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.kits.dataplane import vs
from tests.kits.processes import Served, serving

FREE_PORTS = ("--port", "0", "--admin-port", "0", "--stats-port", "0")
"""Flags; the first two are those of the traffic."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.path == "/slow":
            time.sleep(0.4)
        if self.path == "/never":
            time.sleep(30)
        body = b"hello"
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def hello_upstream() -> Iterator[int]:
    """An upstream that says hello, after 0.4 s below `/slow` and never below `/never`; its port."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()


def get_page(address: str, path: str = "/", host: str = "app.test", method: str = "GET") -> tuple[int, str]:
    """Status and text of an answer."""
    asked = urllib.request.Request(f"http://{address}{path}", headers={"Host": host}, method=method)
    try:
        with urllib.request.urlopen(asked, timeout=10) as reply:
            return reply.status, reply.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def rule_for(prefix: str) -> str:
    """A VirtualService that leads one prefix to the app."""
    match = f"match: [{{uri: {{prefix: {prefix}}}}}]"
    return vs(f"  - name: only\n    {match}\n    route: [{{destination: {{host: app.test}}}}]\n")


def write_documents(path: Path, *texts: str) -> None:
    """Write a file of these documents."""
    path.write_text("\n---\n".join(texts))


@contextmanager
def proxy_process(folder: Path, *arguments: str, stderr: int | None = None) -> Iterator[Served]:
    """A proxy of these files, as a process, on free ports."""
    with serving("meshsim.proxy", "-f", str(folder), *FREE_PORTS, *arguments, stderr=stderr) as served:
        yield served


def ask_over(client: socket.socket) -> bytes:
    """The answer to a request over a connection that stays open."""
    client.sendall(b"GET / HTTP/1.1\r\nhost: app.test\r\n\r\n")
    reply = b""
    while not reply.endswith(b"hello"):
        reply += client.recv(4096)
    return reply
