"""Unit tests of what is kept of a container's output."""

import pytest

from meshsim.kit.clock import VirtualClock
from meshsim.kit.tasks import TaskOwner
from meshsim.runtime.containers.log import ContainerLog

pytestmark = pytest.mark.asyncio


def texts(log: ContainerLog, last: int | None = None) -> list[bytes]:
    return [line.text for line in log.lines(last)]


async def test_output_becomes_lines_however_it_comes() -> None:
    log = ContainerLog(VirtualClock())
    for piece in (b"on", b"e\ntwo\nth", b"ree"):
        log.write(piece)
    assert texts(log) == [b"one", b"two"]
    log.close()
    assert texts(log) == [b"one", b"two", b"three"]
    assert (texts(log, 2), texts(log, 0), texts(log, 9)) == ([b"two", b"three"], [], [b"one", b"two", b"three"])


async def test_lines_carry_the_instant_they_came_at() -> None:
    clock = VirtualClock()
    log = ContainerLog(clock)
    log.write(b"a\n")
    await clock.advance(5)
    log.write(b"b\n")
    first, second = log.lines()
    assert second.at - first.at == 5


async def test_only_the_last_megabyte_is_kept_however_much_is_printed() -> None:
    log = ContainerLog(VirtualClock())
    for number in range(40):
        log.write(b"%039999d\n" % number * 10)
    kept = texts(log)
    assert sum(map(len, kept)) <= 1024 * 1024
    assert kept[-1].endswith(b"39")


async def test_a_line_without_end_is_cut() -> None:
    log = ContainerLog(VirtualClock())
    log.write(b"x" * 40_000)
    assert [len(text) for text in texts(log)] == [16384, 16384]


async def test_a_follower_sees_what_there_is_then_what_comes_until_the_end() -> None:
    clock = VirtualClock()
    log = ContainerLog(clock)
    log.write(b"one\ntwo\n")
    seen: list[bytes] = []

    async def follow() -> None:
        async for line in log.follow(last=1):
            seen.append(line.text)  # noqa: PERF401 - the test looks while it goes on

    async with TaskOwner() as tasks:
        following = tasks.start(follow(), "follower")
        await clock.advance(0)
        assert seen == [b"two"]
        log.write(b"three\n")
        await clock.advance(0)
        assert seen == [b"two", b"three"]
        log.write(b"four")
        log.close()
        await clock.advance(0)
        assert (seen, following.done()) == ([b"two", b"three", b"four"], True)


async def test_a_follower_that_is_too_slow_misses_what_had_to_make_room() -> None:
    log = ContainerLog(VirtualClock())
    log.write(b"first\n")
    follower = log.follow()
    assert (await anext(follower)).text == b"first"
    log.write(b"%09999d\n" % 0 * 200)
    log.write(b"last\n")
    log.close()
    later = [line.text async for line in follower]
    assert (later[-1], len(later) < 200) == (b"last", True)
