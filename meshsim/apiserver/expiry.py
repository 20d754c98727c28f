"""Events are kept for an hour after they were written last, as a Kubernetes API server keeps them."""

from collections.abc import Iterable
from typing import Final

from meshsim.api.decode import Object
from meshsim.api.kinds import EVENT
from meshsim.api.meta import key_of
from meshsim.apiserver.deletion import DeleteOptions
from meshsim.apiserver.registry import Registry
from meshsim.client.api import NotFoundError
from meshsim.kit.clock import Clock
from meshsim.kit.timestamps import from_rfc3339

_KEPT_S: Final = 3600.0
_EVERY_S: Final = 60.0


async def expire_events(registry: Registry, clock: Clock) -> None:
    """Delete events whose time has come, until cancelled; once a minute on the cluster's clock."""
    while True:
        await clock.sleep(_EVERY_S)
        delete_expired(registry, clock.now())


def delete_expired(registry: Registry, now: float) -> None:
    """Delete the events that nobody has written for an hour."""
    for event in list(expired(registry.store.objects(EVENT), now)):
        try:
            registry.delete(EVENT, key_of(event), DeleteOptions())
        except NotFoundError:
            # It went with another one.
            continue


def expired(events: Iterable[Object], now: float) -> Iterable[Object]:
    """The events that nobody has written for an hour; an event without a time that can be read is kept."""
    for event in events:
        written = _written_at(event)
        if written is not None and written + _KEPT_S <= now:
            yield event


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
