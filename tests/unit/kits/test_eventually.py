import asyncio
import itertools

import pytest

from tests.kits.eventually import eventually, eventually_blocking


@pytest.mark.asyncio
async def test_it_returns_what_the_check_returns_once_that_is_true() -> None:
    counter = itertools.count()
    assert await eventually(lambda: next(counter)) == 1


@pytest.mark.asyncio
async def test_an_async_check_is_awaited_and_its_failed_assertion_means_not_yet() -> None:
    counter = itertools.count()

    async def check() -> str:
        assert next(counter) == 1
        return "seen"

    assert await eventually(check) == "seen"


@pytest.mark.asyncio
async def test_a_check_that_never_answers_ends_with_the_deadline() -> None:
    with pytest.raises(AssertionError, match=r"not within 0\.01 s"):
        await eventually(asyncio.Event().wait, within_s=0.01)


def test_a_wait_in_vain_shows_the_check_and_what_it_last_saw() -> None:
    with pytest.raises(AssertionError, match=r"(?s)not within 0\.01 s: .*2 - 2.*last seen: 0"):
        eventually_blocking(lambda: 2 - 2, within_s=0.01)


def test_an_error_ends_the_wait_unless_it_is_to_be_ignored() -> None:
    counter = itertools.count()

    def check() -> str:
        return {1: "seen"}[next(counter)]

    assert eventually_blocking(check, ignoring=(KeyError,)) == "seen"
    with pytest.raises(KeyError):
        eventually_blocking(check)
