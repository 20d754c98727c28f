"""Watches over HTTP: one line of JSON an event, for as long as the client stays."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from aiohttp import web

from meshsim.api.kinds import Kind
from meshsim.apiserver.answers.representation import JSON, Representation
from meshsim.apiserver.requests.query import WatchOptions
from meshsim.apiserver.storage.selection import Selection
from meshsim.apiserver.storage.store import Store
from meshsim.apiserver.storage.watch import Watch

_BOOKMARK_INTERVAL_S: Final = 60.0
_DEFAULT_TIMEOUT_S: Final = 1800.0


class Streams:
    """The watches that are being answered."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._watches: set[Watch] = set()

    def close(self) -> None:
        """End them all."""
        for watch in self._watches:
            watch.end()

    async def stream(
        self,
        request: web.Request,
        kind: Kind,
        selection: Selection,
        representation: Representation,
        options: WatchOptions,
    ) -> web.StreamResponse:
        """Answer a watch until it ends. Raises ExpiredError when it cannot begin."""
        watch = Watch(self._store, kind, selection, options.version)
        self._watches.add(watch)
        try:
            if options.initial_events:
                watch.bookmark(ends_initial_events=True)
            answer = web.StreamResponse(headers={"Content-Type": JSON})
            await answer.prepare(request)
            with _timers(watch, options):
                await _send(watch, representation, answer)
            return answer
        finally:
            watch.end()
            self._watches.discard(watch)


async def _send(watch: Watch, representation: Representation, answer: web.StreamResponse) -> None:
    first = True
    while told := await watch.next():
        lines = []
        for each in told:
            lines.append(representation.event(each, first=first))
            first = False
        await answer.write(b"".join(lines))
    await answer.write_eof()


@contextmanager
def _timers(watch: Watch, options: WatchOptions) -> Iterator[None]:
    """Bookmarks now and then and before the end, and the end."""
    loop = asyncio.get_running_loop()

    timers: dict[str, asyncio.TimerHandle] = {}

    def bookmark() -> None:
        watch.bookmark()
        timers["bookmark"] = loop.call_later(_BOOKMARK_INTERVAL_S, bookmark)

    def finish() -> None:
        if options.bookmarks:
            watch.bookmark()
        watch.end()

    timers["end"] = loop.call_later(_DEFAULT_TIMEOUT_S if options.timeout_s is None else options.timeout_s, finish)
    if options.bookmarks:
        timers["bookmark"] = loop.call_later(_BOOKMARK_INTERVAL_S, bookmark)
    try:
        yield
    finally:
        for timer in timers.values():
            timer.cancel()
