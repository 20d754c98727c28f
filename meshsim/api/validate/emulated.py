"""What Argo does for a Rollout and meshsim doesn't, by name."""

from collections.abc import Iterator
from typing import Final

from meshsim.api.rollouts import Rollout

_ROUTERS: Final = {
    "alb": "alb",
    "ambassador": "ambassador",
    "apisix": "apisix",
    "app_mesh": "appMesh",
    "nginx": "nginx",
    "plugins": "plugins",
    "smi": "smi",
    "traefik": "traefik",
}


def not_emulated(rollout: Rollout) -> Iterator[tuple[str, str]]:
    """The fields that ask for it, each with a sentence."""
    canary = rollout.spec.strategy.canary
    if canary is None:
        return
    for field, name in _ROUTERS.items():
        if getattr(canary.traffic_routing, field, None) is not None:
            yield (
                f"spec.strategy.canary.trafficRouting.{name}",
                f"{name} is not emulated: only Istio splits traffic here",
            )
    for number, step in enumerate(canary.steps):
        if step.plugin is not None:
            yield f"spec.strategy.canary.steps[{number}].plugin", "step plugins are not emulated"
