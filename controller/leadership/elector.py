"""Competes for a lease: reads it, lets `turn` decide, writes, and says whether this process may act.

Durations are real time, whatever the speed of the cluster's clock: a lease bounds how long a process may be stopped
or cut off before another acts in its place, and neither processes nor networks run faster under `--speed`. Only the
stamps in the Lease are the cluster's, as those of all objects are.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Final

from controller.leadership.plan import (
    RENEW_DEADLINE_S,
    RETRY_S,
    LeaseSpec,
    Seen,
    Turn,
    held,
    new_lease,
    released,
    turn,
)
from controller.series import family
from meshsim.api.decode import FieldError, Object, decode, encode
from meshsim.api.kinds import LEASE
from meshsim.api.meta import Key
from meshsim.client.api import Api, ApiError, NotFoundError
from meshsim.kit.clock import Clock, LoopClock
from meshsim.telemetry.exposition import Sample, sample

_log: Final = logging.getLogger(__name__)
_BACKOFF_S: Final = (0.05, 0.1, 0.2, 0.5, 1.0)
_LOOK_S: Final = 0.1
"""Between two looks at the process of a leader on the same machine."""
_RELEASE_WITHIN_S: Final = 1.0


class Elector:
    """One candidate. Run `run()` as a task, and `release()` once that and all work have ended.

    `is_gone` tells of an identity whether its process is known to have ended. `clock` stamps, `real` measures.
    """

    def __init__(
        self,
        api: Api,
        lease: Key,
        identity: str,
        clock: Clock,
        is_gone: Callable[[str], bool],
        real: Clock | None = None,
    ) -> None:
        self.lease = lease
        self._api = api
        self._identity = identity
        self._clock = clock
        self._real = real or LoopClock()
        self._is_gone = is_gone
        self._seen: Seen | None = None
        self._leads_until = float("-inf")
        self._won = asyncio.Event()
        self._told_of = ""

    @property
    def leads(self) -> bool:
        """Whether this process may act now. Asked of the time itself: one that was stopped must not go on."""
        return self._real.monotonic() < self._leads_until

    async def won(self) -> None:
        """Wait until this process leads for the first time."""
        await self._won.wait()

    async def run(self) -> None:
        """Compete until cancelled."""
        failures = 0
        while True:
            try:
                decided = await self._compete()
            except ApiError as error:
                _log.debug("%s: %s", self.lease, error)
                await self._real.sleep(_BACKOFF_S[min(failures, len(_BACKOFF_S) - 1)])
                failures += 1
                continue
            failures = 0
            if decided is Turn.WAIT:
                await self._stand_by()
            else:
                await self._real.sleep(RETRY_S)

    async def release(self) -> None:
        """Let another one lead at once; nothing when this process doesn't lead or the API doesn't answer in time."""
        if not self.leads:
            return
        self._leads_until = float("-inf")
        with suppress(ApiError, TimeoutError):
            async with asyncio.timeout(_RELEASE_WITHIN_S):
                obj = await self._read()
                if obj is not None and self._seen is not None and self._seen.spec.holder_identity == self._identity:
                    await self._write(obj, released(self._seen.spec, self._clock.now()))

    def samples(self) -> Iterator[Sample]:
        """Whether it leads, as client-go reports it."""
        yield family("leader_election_master_status", "gauge")
        yield sample("leader_election_master_status", [("name", self.lease.name)], int(self.leads))

    async def _compete(self) -> Turn:
        """Look at the lease once, and write it if it is this candidate's turn."""
        asked_at = self._real.monotonic()
        obj = await self._read()
        seen, gone = self._seen, self._holder_is_gone()
        decided = turn(seen, self._identity, self._real.monotonic(), holder_is_gone=gone)
        if decided is Turn.WAIT:
            self._leads_until = float("-inf")
            self._tell_of_leader()
            return decided
        before = None if seen is None else seen.spec
        await self._write(obj, held(before, self._identity, self._clock.now()))
        self._leads_until = asked_at + RENEW_DEADLINE_S
        self._won.set()
        return decided

    async def _read(self) -> Object | None:
        """The lease as it is; a changed one begins to age now."""
        try:
            obj = await self._api.get(LEASE, self.lease)
        except NotFoundError:
            self._seen = None
            return None
        try:
            spec = decode(LeaseSpec, obj.get("spec") or {})
        except FieldError:
            # Whatever wrote it keeps no lease.
            spec = LeaseSpec()
        if self._seen is None or self._seen.spec != spec:
            self._seen = Seen(spec, self._real.monotonic())
        return obj

    async def _write(self, before: Object | None, spec: LeaseSpec) -> None:
        """Refused with a conflict when another candidate was faster."""
        if before is None:
            await self._api.create(LEASE, new_lease(self.lease, spec))
        else:
            await self._api.replace(LEASE, {**before, "spec": encode(spec)})

    async def _stand_by(self) -> None:
        """Wait until the lease is to be looked at again: at once when the leader's process ends on this machine."""
        until = self._real.monotonic() + RETRY_S
        while self._real.monotonic() < until and not self._holder_is_gone():
            await self._real.sleep(_LOOK_S)

    def _holder_is_gone(self) -> bool:
        return self._seen is not None and self._is_gone(self._seen.spec.holder_identity)

    def _tell_of_leader(self) -> None:
        """Say once of each leader that this one waits."""
        holder = self._seen.spec.holder_identity if self._seen is not None else ""
        if holder != self._told_of:
            self._told_of = holder
            _log.warning("another controller (%s) leads: this one stands by until that ends", holder)
