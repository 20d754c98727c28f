"""Ports held for the processes that are about to listen there: a busy one is known before anything starts."""

import errno
import socket
import sys
from collections.abc import Mapping
from contextlib import suppress
from types import TracebackType
from typing import Final, Self

from meshsim.kit.address import Address
from meshsim.kit.errors import StartError

# A bound socket that doesn't listen holds its port against strangers, yet lets the process it is meant for
# (which sets SO_REUSEADDR too) listen there. Elsewhere it would be in that process's way.
_CAN_HOLD: Final = sys.platform == "linux"


class Ports:
    """Ports of one host, taken one by one and held until closed (where the system can).

    `meshes` says of the meshes that run already which they are, by the ports they are known to have.
    """

    def __init__(self, host: str, meshes: Mapping[int, str] | None = None) -> None:
        self._host = host
        self._meshes = meshes or {}
        self._held: list[socket.socket] = []
        self._flags: dict[int, str] = {}

    def take(self, port: int, purpose: str, flag: str) -> int:
        """The port, or a free one for 0. Raises StartError when somebody listens there or may not."""
        if port in self._flags:
            raise StartError(f"port {port} is given twice, with {self._flags[port]} and {flag}")
        held = self._bind(port, purpose, flag)
        self._held.append(held)
        taken = int(held.getsockname()[1])
        self._flags[taken] = flag
        return taken

    def _bind(self, port: int, purpose: str, flag: str) -> socket.socket:
        try:
            family, kind, protocol, _, address = socket.getaddrinfo(self._host, port, type=socket.SOCK_STREAM)[0]
        except (socket.gaierror, OverflowError) as error:
            raise StartError(f"--host {self._host}: {error.args[-1]}") from None
        held = socket.socket(family, kind, protocol)
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            held.bind(address)
        except OSError as error:
            held.close()
            holder = self._meshes.get(port, "another program")
            raise StartError(_refused(Address(self._host, port), error, purpose, flag, holder)) from None
        return held

    def release(self) -> None:
        """Let go of the ports where holding them would be in the way of who is meant to have them."""
        if not _CAN_HOLD:
            self.close()

    def close(self) -> None:
        """Let go of the ports."""
        while self._held:
            with suppress(OSError):
                self._held.pop().close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def _refused(address: Address, error: OSError, purpose: str, flag: str, holder: str) -> str:
    place = f"{address.host}:{address.port}, {purpose},"
    if error.errno == errno.EADDRINUSE:
        return f"{place} is taken by {holder}; choose another with {flag} (0 takes a free one)"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"--host {address.host}: not an address of this machine"
    return f"{place.rstrip(',')}: {error.strerror}"
