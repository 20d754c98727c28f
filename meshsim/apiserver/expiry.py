"""Events are kept for an hour after they were written last, as a Kubernetes API server keeps them."""

from contextlib import suppress
from typing import Final

from meshsim.api.decode import Object
from meshsim.api.kinds import EVENT
from meshsim.api.meta import key_of
from meshsim.apiserver.registry import Registry
from meshsim.apiserver.writing.deletion import DeleteOptions
from meshsim.client.api import NotFoundError
from meshsim.kit.clock import Clock
from meshsim.kit.timestamps import from_rfc3339

_KEPT_S: Final = 3600.0
_EVERY_S: Final = 60.0


async def expire_events(registry: Registry, clock: Clock) -> None:
    """Delete events whose time has come, until cancelled; on the cluster's clock and once a minute at most."""
    while True:
        next_at = delete_expired(registry, clock.now())
        await clock.sleep(max(_EVERY_S, next_at - clock.now()))


def delete_expired(registry: Registry, now: float) -> float:
    """Delete the events that nobody has written for an hour; returns the instant when the next may go."""
    next_at = now + _KEPT_S
    for event in list(registry.store.objects(EVENT)):
        expires_at = expiry(event)
        if expires_at is None:
            continue
        if expires_at > now:
            next_at = min(next_at, expires_at)
            continue
        with suppress(NotFoundError):
            registry.delete(EVENT, key_of(event), DeleteOptions())
    return next_at


def expiry(event: Object) -> float | None:
    """When an event goes if nobody writes it again; None when no time can be read from it."""
    written = _written_at(event)
    return None if written is None else written + _KEPT_S


def _written_at(event: Object) -> float | None:
    series: Object = event.get("series") or {}
    stamps = (
        event["metadata"].get("creationTimestamp"),
        event.get("lastTimestamp"),
        event.get("eventTime"),
        series.get("lastObservedTime"),
    )
    return max((instant for stamp in stamps if stamp and (instant := _instant(stamp)) is not None), default=None)


def _instant(stamp: object) -> float | None:
    try:
        return from_rfc3339(str(stamp))
    except ValueError:
        return None
