"""What this system lets a pod listen on: asked by trying."""

import socket

from meshsim.runtime.addresses import POD_NETWORK


def has_aliases() -> bool:
    """Whether this system lets a process listen on any loopback address, as Linux does and macOS does not."""
    with socket.socket() as candidate:
        try:
            candidate.bind((str(POD_NETWORK[1]), 0))
        except OSError:
            return False
    return True


def listening_port(address: str, port: int) -> int:
    """The port, if this process may listen on it at that address, else a free one.

    It may not when another program listens on that port at every address, or when low ports are root's.
    """
    for candidate in (port, 0):
        with socket.socket() as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                trial.bind((address, candidate))
                trial.listen()
            except (OSError, OverflowError):
                continue
            bound: int = trial.getsockname()[1]
            return bound
    return port
