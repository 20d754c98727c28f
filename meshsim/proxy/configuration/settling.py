"""Weights wait for endpoints: a VirtualService whose Service was switched comes into force with its new pods.

A release switches a Service and its weights in one breath. The endpoints follow from another process, and requests
that go by the new weights to the old endpoints would meet nobody. So such a change, and it alone, is held back for
a moment; endpoints that are later than that are not waited for, and requests fail, as they do in a real mesh.
"""

from collections.abc import Collection, Mapping
from typing import Final

from meshsim.api.meta import Key
from meshsim.api.networking import VirtualService
from meshsim.mesh.names import qualified_host, service_host

HOLD_AT_MOST_S: Final = 0.25


class Settling:
    """Which form of each VirtualService is in force."""

    def __init__(self) -> None:
        self._in_force: dict[Key, VirtualService] = {}
        self._held_until: dict[Key, float] = {}

    @property
    def holds(self) -> bool:
        """A change waits: look again soon."""
        return bool(self._held_until)

    def settle(
        self, latest: Mapping[Key, VirtualService], behind: Collection[Key], now: float
    ) -> Mapping[Key, VirtualService]:
        """What is in force from now on, given the Services whose endpoints are still those from before a switch.

        `now` is in seconds of any clock that never goes back.
        """
        held_until: dict[Key, float] = {}
        in_force = dict(latest)
        hosts = {service_host(key.name, key.namespace) for key in behind}
        for key, one in latest.items() if hosts else ():
            before = self._in_force.get(key)
            if before is not None and before != one and _routes_to(one, hosts):
                until = self._held_until.get(key, now + HOLD_AT_MOST_S)
                if now < until:
                    in_force[key], held_until[key] = before, until
        self._in_force, self._held_until = in_force, held_until
        return in_force


def _routes_to(virtual_service: VirtualService, hosts: Collection[str]) -> bool:
    namespace = virtual_service.metadata.namespace
    return any(
        qualified_host(each.destination.host, namespace) in hosts
        for rule in virtual_service.spec.http
        for each in rule.route
    )
