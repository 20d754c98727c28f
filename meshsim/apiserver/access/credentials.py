"""What the API server proves itself with and what it asks of clients: made at its first start, kept for the next.

In the directory: `pki/ca.pem`, the authority and its key; `pki/ca.crt`, the authority alone, for clients;
`pki/apiserver.pem`, the server's certificate and key; `token`. Only its owner may read any of it.
"""

import os
import re
import secrets
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from meshsim.apiserver.access import certificates
from meshsim.apiserver.access.https import HttpsContext
from meshsim.apiserver.access.wishes import Wishes
from meshsim.client.connection import Connection
from meshsim.client.kubeconfig import kubeconfig_of
from meshsim.kit.errors import StartError
from meshsim.kit.hosts import in_url
from meshsim.kit.private import OWNER_ONLY, create_private, write_private

_TOKEN_BYTES: Final = 32
_TOKEN: Final = re.compile(r"[-A-Za-z0-9._~+/]{16,}=*")
"""RFC 6750's b64token, and too long to guess."""
_READABLE_BY_ALL: Final = 0o004


@dataclass(frozen=True, slots=True)
class Credentials:
    """A server's own."""

    tls: ssl.SSLContext
    token: str = field(repr=False)
    ca: bytes
    """What clients verify the server by, in PEM."""
    chain: bytes
    """The server's certificate, in PEM."""

    def write_kubeconfig(self, path: Path, host: str, port: int) -> None:
        """Leave a kubeconfig for clients that reach the server at that host and port. Raises StartError."""
        connection = Connection(
            f"https://{in_url(host)}:{port}",
            ca=self.ca.decode(),
            token=self.token,
            server_name=certificates.name_to_verify(self.chain, host),
        )
        with _said(path):
            path.parent.mkdir(mode=OWNER_ONLY, parents=True, exist_ok=True)
            write_private(path, kubeconfig_of(connection).encode())


def credentials(wishes: Wishes, now: float) -> Credentials:
    """The server's credentials; `now` is real time. Raises StartError naming the file that is wrong."""
    token = _token(wishes.token_file or wishes.directory / "token")
    if wishes.cert_file is None or wishes.key_file is None:
        ca, file = _own_certificate(wishes.directory / "pki", wishes.names, now)
        return Credentials(_context(file, file), token, ca, file.read_bytes())
    with _said(wishes.cert_file):
        chain = wishes.cert_file.read_bytes()
    context = _context(wishes.cert_file, wishes.key_file)
    # Clients are told to trust this certificate, whoever signed it.
    return Credentials(context, token, chain, chain)


def _token(path: Path) -> str:
    with _said(path):
        path.parent.mkdir(mode=OWNER_ONLY, parents=True, exist_ok=True)
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            content = create_private(path, f"{secrets.token_urlsafe(_TOKEN_BYTES)}\n".encode())
        if path.stat().st_mode & _READABLE_BY_ALL:
            raise StartError(f"everybody may read the token in {path}: chmod 600 {path}")
    token = content.decode("ascii", "replace").strip()
    if not _TOKEN.fullmatch(token):
        raise StartError(f"{path} does not hold a token: one line of 16 or more letters, digits and -._~+/")
    return token


def _own_certificate(directory: Path, names: tuple[str, ...], now: float) -> tuple[bytes, Path]:
    """The authority's certificate, and the file of one that it signed for the server."""
    authority_file, file = directory / "ca.pem", directory / "apiserver.pem"
    with _said(directory):
        directory.mkdir(mode=OWNER_ONLY, parents=True, exist_ok=True)
        authority = _authority(authority_file, now)
        ca = certificates.certificate_of(authority)
        write_private(directory / "ca.crt", ca)
        if not (file.exists() and certificates.serves_on(file.read_bytes(), authority, names, now)):
            write_private(file, certificates.new_certificate(authority, names, now))
    return ca, file


def _authority(path: Path, now: float) -> bytes:
    authority = path.read_bytes() if path.exists() else create_private(path, certificates.new_authority(now))
    try:
        if certificates.is_spent(authority, now):
            authority = certificates.new_authority(now)
            write_private(path, authority)
    except certificates.BrokenPemError as error:
        raise StartError(f"{path}: {error}; without the file a new authority is made") from None
    return authority


def _context(cert_file: Path, key_file: Path) -> ssl.SSLContext:
    context = HttpsContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    try:
        # Never ask for a password at a terminal.
        context.load_cert_chain(cert_file, key_file, password="")
    except ssl.SSLError:
        raise StartError(f"{cert_file} and {key_file} are not a certificate and its key in PEM") from None
    except OSError as error:
        raise StartError(f"cannot read {cert_file} or {key_file}: {error.strerror}") from None
    return context


@contextmanager
def _said(path: Path) -> Iterator[None]:
    """Make one sentence of what a disk says."""
    try:
        yield
    except OSError as error:
        number = error.errno or 0
        raise StartError(f"{error.filename or path}: {os.strerror(number) if number else error}") from None
