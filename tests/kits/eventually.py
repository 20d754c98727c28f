"""Waiting in tests: look again until it is so, with a deadline, and say what was last seen when it never was."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar, overload

from meshsim.kit.clock import LoopClock

T = TypeVar("T")

_EVERY_S: Final = 0.02


@overload
async def eventually(
    check: Callable[[], Awaitable[T]], *, within_s: float = 5.0, ignoring: tuple[type[Exception], ...] = ()
) -> T: ...
@overload
async def eventually(
    check: Callable[[], T], *, within_s: float = 5.0, ignoring: tuple[type[Exception], ...] = ()
) -> T: ...
async def eventually(
    check: Callable[[], Any], *, within_s: float = 5.0, ignoring: tuple[type[Exception], ...] = ()
) -> Any:
    """What `check`, plain or async, returns once it is true; an AssertionError or an ignored error means not yet.

    Raises AssertionError when `within_s` real seconds pass without it. Give a deadline far beyond what it takes.
    """
    watch = _Watch(check, within_s, ignoring)
    while True:
        try:
            answer = check()
            if inspect.isawaitable(answer):
                async with asyncio.timeout(watch.left_s):
                    answer = await answer
        except watch.not_yet as error:
            watch.still_waiting(error)
        else:
            if answer:
                return answer
            watch.still_waiting(answer)
        await LoopClock().sleep(_EVERY_S)


def eventually_blocking(
    check: Callable[[], T], *, within_s: float = 5.0, ignoring: tuple[type[Exception], ...] = ()
) -> T:
    """`eventually` for a test that isn't async."""
    watch = _Watch(check, within_s, ignoring)
    while True:
        try:
            answer = check()
        except watch.not_yet as error:
            watch.still_waiting(error)
        else:
            if answer:
                return answer
            watch.still_waiting(answer)
        time.sleep(_EVERY_S)


class _Watch:
    """One wait: its deadline, and what it says when that has passed."""

    def __init__(self, check: Callable[[], object], within_s: float, ignoring: tuple[type[Exception], ...]) -> None:
        self.not_yet: tuple[type[Exception], ...] = (AssertionError, TimeoutError, *ignoring)
        self._check = check
        self._within_s = within_s
        self._until = time.monotonic() + within_s

    @property
    def left_s(self) -> float:
        return max(0.0, self._until - time.monotonic())

    def still_waiting(self, seen: object) -> None:
        if self.left_s == 0:
            cause = seen if isinstance(seen, Exception) else None
            raise AssertionError(
                f"not within {self._within_s:g} s: {_text_of(self._check)}\n  last seen: {seen!r}"
            ) from cause


def _text_of(check: Callable[[], object]) -> str:
    try:
        return " ".join(inspect.getsource(check).split())
    except (OSError, TypeError):
        return repr(check)
