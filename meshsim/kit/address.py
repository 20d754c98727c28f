"""Where a process listens."""

import os
from dataclasses import dataclass

from meshsim.kit.errors import StartError


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen; port 0 takes a free one."""

    host: str
    port: int


def cannot_listen(address: Address, error: OSError, which: str = "") -> StartError:
    """The sentence for a port that cannot be opened."""
    # What a loop raises says the address again around the system's own words, which the number brings back.
    number = error.errno or 0
    reason = os.strerror(number) if number > 0 else error.strerror or str(error)
    return StartError(f"cannot listen on {address.host}:{address.port}{which}: {reason}")
