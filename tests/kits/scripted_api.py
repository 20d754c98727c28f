"""A Kubernetes API that says what a test tells it to, for what a real one does only once in a blue moon."""

import asyncio
from collections.abc import AsyncIterator, Sequence

from meshsim.api.kinds import Kind
from meshsim.client.api import ApiError, Listing, WatchEvent

Watch = Sequence[WatchEvent | ApiError]
"""What one watch says, in order; it ends after the last word. A final error breaks it."""


class ScriptedApi:
    """Lists and watches answer in the order given; when a script is used up, they wait for ever."""

    def __init__(self, lists: Sequence[Listing | ApiError], watches: Sequence[Watch] = ()) -> None:
        self.asked: list[str] = []
        """`list` and `watch from <version>`, in order."""
        self._lists = iter(lists)
        self._watches = iter(watches)

    async def list(self, kind: Kind, namespace: str | None = None, *, selector: str = "") -> Listing:
        self.asked.append("list")
        answer = next(self._lists, None)
        if answer is None:
            await asyncio.Event().wait()
            raise AssertionError
        if isinstance(answer, ApiError):
            raise answer
        return answer

    async def watch(
        self, kind: Kind, resource_version: str, namespace: str | None = None, *, selector: str = ""
    ) -> AsyncIterator[WatchEvent]:
        self.asked.append(f"watch from {resource_version}")
        words = next(self._watches, None)
        if words is None:
            await asyncio.Event().wait()
        for word in words or ():
            if isinstance(word, ApiError):
                raise word
            yield word
