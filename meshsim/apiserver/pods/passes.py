"""Passes, by which a node knows that it is the API server that asks: good for one node, once, and not for long."""

import secrets
from collections.abc import Collection
from typing import Final

from meshsim.kit.clock import Clock

_GOOD_FOR_S: Final = 30.0
_TOKEN_BYTES: Final = 32


class Passes:
    """Those that are out and not used yet."""

    def __init__(self, clock: Clock) -> None:
        """A clock of real time."""
        self._clock = clock
        self._issued: dict[str, tuple[str, float]] = {}

    def issue(self, node: str) -> str:
        """A new one, to be sent to that node."""
        now = self._clock.monotonic()
        self._issued = {token: each for token, each in self._issued.items() if now < each[1]}
        token = secrets.token_urlsafe(_TOKEN_BYTES)
        self._issued[token] = (f"node/{node}", now + _GOOD_FOR_S)
        return token

    def redeem(self, token: str, audiences: Collection[str]) -> str:
        """Whom it was for, if that is one of these; empty when it is none of ours, used or too old."""
        audience, good_until = self._issued.get(token, ("", 0.0))
        if audience not in audiences or self._clock.monotonic() >= good_until:
            return ""
        del self._issued[token]
        return audience
