"""When a container that ended starts again: restart policies and the crash back-off. Pure."""

from typing import Final

from meshsim.api.core import Container, Pod
from meshsim.runtime.containers.containers import Exit

_FIRST_S: Final = 10.0
_LONGEST_S: Final = 300.0
_FORGIVEN_AFTER_S: Final = 600.0
_MOST_DOUBLINGS: Final = 16


class CrashBackoff:
    """The kubelet's: the first restart is at once, then 10 s, doubled each time, at most 5 minutes.

    A container that ran for ten minutes starts with a clean sheet.
    """

    def __init__(self) -> None:
        self._crashes = 0

    def after(self, ran_s: float) -> float:
        """Seconds to wait after a run of that many seconds."""
        self._crashes = 0 if ran_s >= _FORGIVEN_AFTER_S else self._crashes
        self._crashes += 1
        if self._crashes == 1:
            return 0.0
        return min(_FIRST_S * 2.0 ** min(self._crashes - 2, _MOST_DOUBLINGS), _LONGEST_S)


def policy_of(pod: Pod, container: Container) -> str:
    """The restartPolicy that holds for a container of the pod: an init container runs until it has succeeded."""
    if all(container.name != each.name for each in pod.spec.init_containers):
        return pod.spec.restart_policy
    if container.is_sidecar:
        return "Always"
    return "Never" if pod.spec.restart_policy == "Never" else "OnFailure"


def restarts(policy: str, ended: Exit) -> bool:
    """Whether a restartPolicy starts a container again that ended so."""
    return policy == "Always" or (policy == "OnFailure" and ended.code != 0)
