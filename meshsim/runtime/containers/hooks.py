"""Lifecycle hooks: what is done after a container has started and before it is told to end."""

from typing import Final

from meshsim.api.core import Probe
from meshsim.api.decode import FieldError, Object, decode
from meshsim.kit.clock import Clock
from meshsim.runtime.containers.probes import Probed, attempt

_SHELLS: Final = ("sh", "bash", "ash")
_HOOK_TIMEOUT_S: Final = 30


async def run_hook(name: str, probed: Probed, clock: Clock) -> bool:
    """Run the container's hook of that name (`postStart`, `preStop`), if it has one; False when it failed.

    One that only sleeps, `sleep: {seconds: 5}` or `exec: {command: [sleep, 5]}`, does so on the cluster's clock.
    """
    handler = (probed.container.lifecycle or {}).get(name)
    if not isinstance(handler, dict):
        return True
    seconds = sleep_of(handler)
    if seconds > 0:
        await clock.sleep(seconds)
        return True
    asked = {kind: handler[kind] for kind in ("exec", "httpGet", "tcpSocket") if kind in handler}
    try:
        return not await attempt(decode(Probe, {**asked, "timeoutSeconds": _HOOK_TIMEOUT_S}), probed)
    except FieldError:
        return False


def sleep_of(handler: Object) -> float:
    """Seconds that a hook sleeps: 0 for one that does something else."""
    if isinstance(handler.get("sleep"), dict):
        return _seconds(str(handler["sleep"].get("seconds", 0)))
    command = (handler.get("exec") or {}).get("command") or []
    words = [str(word) for word in command]
    if len(words) == 3 and words[0].rpartition("/")[2] in _SHELLS and words[1] == "-c":
        words = words[2].split()
    if len(words) == 2 and words[0].rpartition("/")[2] == "sleep":
        return _seconds(words[1])
    return 0.0


def _seconds(text: str) -> float:
    number = text.removesuffix("s")
    return float(number) if number.replace(".", "", 1).isdecimal() else 0.0
