"""Which API a process talks to and how it makes itself known there: a URL, or a kubeconfig that may change."""

import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from meshsim.kit.errors import UsageError

if TYPE_CHECKING:
    # Imported only where a connection is made over TLS: it costs memory that a plain one needn't have.
    import ssl


@dataclass(frozen=True, slots=True)
class Connection:
    """An API server, whom to take for it, and what it knows us by. Secrets are never shown."""

    url: str
    ca: str = ""
    """The certificates of the authorities that may vouch for it, in PEM; empty: those of this machine."""
    token: str = field(default="", repr=False)
    client_pem: str = field(default="", repr=False)
    """A client certificate and its key, in PEM."""
    server_name: str = ""
    """The name that its certificate is for, where it isn't the URL's."""
    verifies: bool = True
    """False: whoever answers is taken for it."""

    @property
    def is_secure(self) -> bool:
        """Whether it is encrypted. Over plain HTTP nothing secret is sent, as kubectl does."""
        return self.url.startswith("https:")

    def read(self) -> "Connection":
        """Itself: it never changes."""
        return self

    def __str__(self) -> str:
        return self.url


class Source(Protocol):
    """Where a connection comes from. `str(source)` names it to a person."""

    def read(self) -> Connection:
        """The connection as it is now. Raises OSError when there is none yet, UsageError when it is none."""


def tls_of(connection: Connection) -> "ssl.SSLContext":
    """What to make TLS connections with. Raises UsageError for certificates that cannot be used."""
    import ssl  # noqa: PLC0415 - see above

    try:
        context = ssl.create_default_context(cadata=connection.ca or None)
        # A certificate that a kubeconfig names is trusted, whoever signed it.
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        if connection.client_pem:
            _load_client_certificate(context, connection.client_pem)
    except (ssl.SSLError, ValueError) as error:
        raise UsageError(f"the certificates for {connection.url} cannot be used: {error}") from None
    if not connection.verifies:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _load_client_certificate(context: "ssl.SSLContext", pem: str) -> None:
    # OpenSSL reads it from a file only.
    descriptor, path = tempfile.mkstemp(prefix="meshsim-")
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(pem)
        # A password is never asked for at a terminal.
        context.load_cert_chain(path, password="")
    finally:
        Path(path).unlink()
