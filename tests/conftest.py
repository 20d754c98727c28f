"""What every test runs under.

No task outlives its test, no failure goes unseen by the loop, nothing of ours blocks the loop, nothing hangs.
Warnings are errors and asyncio runs in strict mode by pyproject.toml. The kind of a test follows from its folder.

An async test runs on asyncio's own loop; `@pytest.mark.asyncio(loop_factories=["uvloop"])`, on a test or as a
module's `pytestmark`, runs it on uvloop, as the planes do, and `["asyncio", "uvloop"]` on each.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import hypothesis
import pytest
import pytest_asyncio
import uvloop
from blockbuster import blockbuster_ctx

from meshsim.kit.clock import LoopClock

_TIMEOUT_S: Final = {"unit": 5, "property": 60, "integration": 20, "conformance": 60, "e2e": 180, "compose": 900}
"""How long a test of each folder may take, set-up and tear-down included: far above what it needs, below patience."""

_MARKED: Final = frozenset({"property", "integration", "conformance", "e2e", "compose"})

hypothesis.settings.register_profile("dev", deadline=None, max_examples=50)
hypothesis.settings.register_profile(
    "ci",
    deadline=None,
    max_examples=25,
    derandomize=True,
    database=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.register_profile("thorough", deadline=None, max_examples=2000)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        folder = _folder_of(item)
        if folder in _MARKED:
            item.add_marker(folder)
        if item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(_TIMEOUT_S.get(folder, 60)))


def _folder_of(item: pytest.Item) -> str:
    """`unit` of `tests/unit/kit/test_clock.py::test_…`."""
    parts = Path(item.nodeid.partition("::")[0]).parts
    return parts[1] if len(parts) > 2 else ""


def pytest_asyncio_loop_factories(item: pytest.Item) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    marker = item.get_closest_marker("asyncio")
    if marker is None or not marker.kwargs.get("loop_factories"):
        return {"asyncio": asyncio.new_event_loop}
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@pytest.fixture(scope="session", autouse=True)
def _nothing_blocks_the_loop() -> Iterator[None]:
    """A blocking call that our code makes on a running loop raises blockbuster.BlockingError."""
    with blockbuster_ctx(scanned_modules=["meshsim", "controller"]):
        yield


@pytest.fixture(autouse=True)
def _loop_guard(request: pytest.FixtureRequest) -> None:
    """Set up before any other fixture of an async test, so that it looks after all of them have closed."""
    if request.node.get_closest_marker("asyncio") is not None:
        request.getfixturevalue("_loop_left_clean")


@pytest_asyncio.fixture
async def _loop_left_clean(request: pytest.FixtureRequest) -> AsyncIterator[None]:
    """The test ends in time, leaves no task behind, and nothing failed where only the loop would know of it."""
    failures: list[str] = []

    def note(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        failures.append(f"{context['message']}: {context.get('exception')!r}")
        loop.default_exception_handler(context)

    def give_up() -> None:
        failures.append(f"the test was not done after {limit_s:g} s")
        for task in asyncio.all_tasks():
            task.cancel()
        loop.call_later(1, give_up)

    loop = asyncio.get_running_loop()
    loop.set_exception_handler(note)
    before = asyncio.all_tasks()
    # pytest-timeout's signal doesn't wake an idle uvloop; this comes first, and from within.
    limit_s = 0.9 * _timeout_of(request.node)
    timer = loop.call_later(limit_s, give_up)
    yield
    timer.cancel()
    left = await _tasks_left_since(before)
    if left:
        pytest.fail("tasks are left at the end of the test: " + ", ".join(sorted(map(_name_of, left))), pytrace=False)
    if failures:
        pytest.fail("failures that only the loop was told of: " + "; ".join(failures), pytrace=False)


def _timeout_of(item: pytest.Item) -> float:
    marker = item.get_closest_marker("timeout")
    assert marker is not None
    return float(marker.kwargs["timeout"] if "timeout" in marker.kwargs else marker.args[0])


async def _tasks_left_since(before: set[asyncio.Task[Any]]) -> set[asyncio.Task[Any]]:
    ours = before | {task for task in (asyncio.current_task(),) if task is not None}
    # A task that was just cancelled, or a connection that was just closed, ends within a few turns of the loop.
    for _ in range(20):
        if not asyncio.all_tasks() - ours:
            break
        await LoopClock().sleep(0)
    return asyncio.all_tasks() - ours


def _name_of(task: asyncio.Task[Any]) -> str:
    coroutine = getattr(task.get_coro(), "__qualname__", "?")
    return f"{task.get_name()} ({coroutine})"
