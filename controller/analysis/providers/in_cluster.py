"""Addresses of a Prometheus that only a cluster's own DNS knows, as people's templates have them.

There is no such DNS here. The Prometheus that the controller was given answers in their place, so that templates are
applied unchanged; a name that does resolve, a container's say, is asked itself.
"""

import logging
import re
from typing import Final

from yarl import URL

_log = logging.getLogger(__name__)

_SUFFIXES: Final = (".svc", ".svc.cluster.local")
_MOST_LABELS: Final = 2
"""`service` and `service.namespace`; longer names say `.svc`."""
_NAMES: Final = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
"""Begins with a letter, as a Service does: no IP address in whatever form."""
_MOST_REMEMBERED: Final = 1000


def is_cluster_local(host: str) -> bool:
    """Whether a cluster's DNS may know the name and no other does: it is `service`, `service.namespace`, or ends as in
    `service.namespace.svc.cluster.local`."""
    name = host.lower().removesuffix(".")
    if not _NAMES.fullmatch(name) or name.rpartition(".")[2] == "localhost":
        return False
    return name.count(".") < _MOST_LABELS or name.endswith(_SUFFIXES)


class StandIn:
    """The Prometheus at `address` (empty: there is none), asked in the place of those inside a cluster."""

    def __init__(self, address: str = "") -> None:
        self.address = address.rstrip("/")
        self._told: set[str] = set()

    def stands_for(self, address: str) -> bool:
        """Whether it answers for an address whose host could not be resolved; the log says so, once per address."""
        if not self.address or self.address == address or not is_cluster_local(URL(address).host or ""):
            return False
        if address not in self._told and len(self._told) < _MOST_REMEMBERED:
            self._told.add(address)
            _log.warning("%s is an address inside a cluster, unknown here: %s answers instead", address, self.address)
        return True
