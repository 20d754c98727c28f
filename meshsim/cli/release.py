"""The second half of the short form: once the stable version is healthy, the canary is applied."""

from collections.abc import Callable
from typing import Final

from meshsim.api.kinds import ROLLOUT
from meshsim.api.meta import Key
from meshsim.cli.apply import apply
from meshsim.cli.manifests import Manifest
from meshsim.client.api import Api, ApiError
from meshsim.kit.clock import LoopClock

_LOOK_EVERY_S: Final = 0.2
_IMPATIENT_AFTER_S: Final = 15.0


async def begin_release(api: Api, canary: Manifest, say: Callable[[str], None]) -> None:
    """Wait until the Rollout is healthy, then make it the canary's. Returns when that is done."""
    key, clock = canary.key, LoopClock()
    impatient_at, said = clock.monotonic() + _IMPATIENT_AFTER_S, False
    while not await _is_healthy(api, key):
        if not said and clock.monotonic() > impatient_at:
            said = True
            say(f"the stable version is not healthy yet: see `meshsim get rollout {key.name}` and `meshsim logs POD`")
        await clock.sleep(_LOOK_EVERY_S)
    while True:
        try:
            await apply(api, canary)
        except ApiError:
            # The API may have died and be starting again; the next time it is asked it may be there.
            await clock.sleep(_LOOK_EVERY_S)
        else:
            break
    say(f"the canary begins: `meshsim get rollout {key.name} --watch` shows it, `promote` and `abort` steer it")


async def _is_healthy(api: Api, rollout: Key) -> bool:
    try:
        return bool(((await api.get(ROLLOUT, rollout)).get("status") or {}).get("phase") == "Healthy")
    except ApiError:
        return False
