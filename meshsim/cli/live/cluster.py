"""The release as the API tells it: the rollout and all that belongs to it, kept up to date."""

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from meshsim.api.core import EndpointSlice, Pod, image_tag
from meshsim.api.decode import decode
from meshsim.api.kinds import ENDPOINT_SLICE, POD, REPLICA_SET, ROLLOUT, VIRTUAL_SERVICE, Kind
from meshsim.api.meta import Key
from meshsim.api.networking import VirtualService
from meshsim.cli.argo.views import Objects, RolloutView, rollout_view
from meshsim.cli.live.configured import Split, configured_split
from meshsim.client.api import Api
from meshsim.client.informer import Informer
from meshsim.kit.tasks import TaskOwner

_KINDS: Final = (ROLLOUT, REPLICA_SET, POD, ENDPOINT_SLICE, VIRTUAL_SERVICE)


@dataclass(frozen=True, slots=True)
class Seen:
    """The release at one moment."""

    view: RolloutView
    wanted: str
    """The version that the rollout asks for."""
    split: Split
    """What is configured."""
    weights: Mapping[str, int]
    """Destination host → weight, as the virtual service has them."""
    ready: Mapping[str, int]
    """Pods that serve, by version."""
    pods: Mapping[str, int]
    """All pods, by version, those that are ending too."""

    @property
    def phase(self) -> str:
        """Healthy, Progressing, Paused or Degraded."""
        return self.view.phase

    @property
    def replicas(self) -> int:
        """How many pods are asked for."""
        replicas = self.view.rollout.spec.replicas
        return 1 if replicas is None else replicas

    def is_done(self, version: str) -> bool:
        """The version was released: the rollout asks for it, is Healthy and has all its pods."""
        return self.wanted == version and self.phase == "Healthy" and self.ready.get(version, 0) == self.replicas


class Cluster:
    """Follows one rollout and the virtual service of the same name."""

    def __init__(self, api: Api, key: Key) -> None:
        self.changed = asyncio.Event()
        """Set whenever something changed; whoever waits for it clears it."""
        self._key = key
        self._seen: Seen | None = None
        self._is_stale = True
        self._versions: dict[str, str] = {}
        self._informers: dict[Kind, Informer] = {kind: Informer(api, kind, namespace=key.namespace) for kind in _KINDS}
        for informer in self._informers.values():
            informer.on_change(lambda _: self._note_change())

    def start(self, tasks: TaskOwner) -> None:
        """Follow it for as long as the owner keeps the tasks."""
        for kind, informer in self._informers.items():
            tasks.start(informer.run(), f"informer of {kind}")

    def seen(self) -> Seen | None:
        """The release now; None until it is there."""
        if self._is_stale:
            self._seen = self._look()
            self._is_stale = False
        return self._seen

    def _note_change(self) -> None:
        self._is_stale = True
        self.changed.set()

    def _look(self) -> Seen | None:
        rollout = self._informers[ROLLOUT].get(self._key)
        virtual_service = self._informers[VIRTUAL_SERVICE].get(self._key)
        if rollout is None or virtual_service is None:
            return None
        pods = list(self._informers[POD].all())
        typed = [decode(Pod, pod) for pod in pods]
        # A pod that is gone may still be an endpoint for a moment.
        self._versions.update((pod.metadata.name, pod.version) for pod in typed)
        slices = [decode(EndpointSlice, one) for one in self._informers[ENDPOINT_SLICE].all()]
        route = decode(VirtualService, virtual_service).spec.http[0]
        return Seen(
            view=rollout_view(rollout, Objects(list(self._informers[REPLICA_SET].all()), pods)),
            wanted=image_tag(rollout["spec"]["template"]["spec"]["containers"][0]["image"]),
            split=configured_split(route, slices, self._versions),
            weights={one.destination.host: one.weight or 0 for one in route.route},
            ready=Counter(pod.version for pod in typed if pod.is_ready and not pod.is_terminating),
            pods=Counter(pod.version for pod in typed),
        )
