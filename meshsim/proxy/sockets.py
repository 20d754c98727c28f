"""The listening sockets of several workers on the same ports."""

import contextlib
import socket
import sys
from collections.abc import Iterator, Sequence
from typing import Final

from meshsim.kit.address import Address, cannot_listen

KERNEL_SHARES_OUT: Final = sys.platform == "linux"
"""Connections to a port are shared out evenly among the sockets that listen on it with SO_REUSEPORT. Other systems
have an option of that name that doesn't do this."""


class Ports:
    """Ports that are held while workers come and go. Nobody listens on the sockets that hold them.

    Where the kernel shares connections out, each worker gets sockets of its own, which end with it; elsewhere all
    workers listen on the same ones.
    """

    def __init__(self, addresses: Sequence[Address]) -> None:
        """Raises StartError for a port that is taken."""
        self._held: list[socket.socket] = []
        try:
            for address in addresses:
                self._held.append(_bound(address))
        except BaseException:
            self.close()
            raise

    @property
    def addresses(self) -> list[str]:
        """`host:port` of each, in their order."""
        return ["{}:{}".format(*held.getsockname()[:2]) for held in self._held]

    @contextlib.contextmanager
    def for_worker(self) -> Iterator[list[int]]:
        """Sockets to start a worker with, bound and not listening: connections come to it once it says so."""
        if not KERNEL_SHARES_OUT:
            yield [held.fileno() for held in self._held]
            return
        with contextlib.ExitStack() as stack:
            yield [stack.enter_context(_another(held)).fileno() for held in self._held]

    def stop_listening(self) -> None:
        """On sockets that all workers have: for all of them."""
        if not KERNEL_SHARES_OUT:
            for held in self._held:
                with contextlib.suppress(OSError):
                    held.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Let the ports go."""
        for held in self._held:
            held.close()


def _bound(address: Address) -> socket.socket:
    held = socket.socket(socket.AF_INET6 if ":" in address.host else socket.AF_INET)
    try:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind((address.host, address.port))
        if KERNEL_SHARES_OUT:
            # Only now: a port on which others listen is taken, even if they would share it.
            held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    except OSError as error:
        held.close()
        raise cannot_listen(address, error) from None
    held.setblocking(False)
    return held


def _another(held: socket.socket) -> socket.socket:
    """Another socket on the same port."""
    opened = socket.socket(held.family)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    opened.setblocking(False)
    opened.bind(held.getsockname())
    return opened
