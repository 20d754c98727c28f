"""The guards of tests/conftest.py catch what they are for: a pytest of its own runs tests that break each rule."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Final

_REPOSITORY: Final = Path(__file__).resolve().parents[3]

_BROKEN: Final = """
import asyncio, gc, time
import pytest
from meshsim.api.kinds import POD
from meshsim.client.informer import Informer
from meshsim.kit.tasks import TaskOwner

OWNER = TaskOwner()


@pytest.mark.asyncio
async def test_that_leaves_a_task():
    OWNER.start(asyncio.Event().wait(), "forgotten")


@pytest.mark.asyncio
async def test_that_has_a_failing_callback():
    asyncio.get_running_loop().call_soon(lambda: 1 / 0)


@pytest.mark.asyncio
async def test_that_blocks_the_loop_inside_our_code():
    informer = Informer(None, POD)
    informer.on_change(lambda change: time.sleep(0.001))
    informer.learn({"metadata": {"name": "a", "resourceVersion": "1"}})


def test_that_leaves_a_file_open():
    open(__file__)
    gc.collect()


@pytest.mark.timeout(1)
def test_that_hangs():
    while True:
        time.sleep(0.01)


@pytest.mark.timeout(1)
@pytest.mark.asyncio(loop_factories=["uvloop"])
async def test_that_waits_for_ever():
    await asyncio.Event().wait()


async def test_that_lacks_its_marker():
    pass
"""

_SOUND: Final = """
import asyncio
import pytest
import pytest_asyncio
from meshsim.kit.tasks import TaskOwner


@pytest_asyncio.fixture
async def owner():
    async with TaskOwner() as owner:
        yield owner


@pytest.mark.asyncio
async def test_whose_fixture_ends_its_tasks(owner):
    owner.start(asyncio.Event().wait(), "owned")


@pytest.mark.asyncio(loop_factories=["asyncio", "uvloop"])
async def test_on_both_loops(owner):
    owner.start(asyncio.Event().wait(), "owned")


@pytest.mark.asyncio(loop_factories=["uvloop"])
async def test_on_uvloop():
    assert "uvloop" in type(asyncio.get_running_loop()).__module__


def test_that_has_the_timeout_of_its_folder(request):
    assert request.node.get_closest_marker("timeout").args == (5,)
"""


def test_the_guards_fail_each_test_that_breaks_a_rule_and_no_other(tmp_path: Path) -> None:
    folder = tmp_path / "tests" / "unit" / "guards"
    folder.mkdir(parents=True)
    (folder / "test_broken.py").write_text(_BROKEN)
    (folder / "test_sound.py").write_text(_SOUND)

    run = subprocess.run(
        [
            sys.executable, "-m", "pytest", "-c", _REPOSITORY / "pyproject.toml", "--rootdir", tmp_path, "--tb=no",
            "-rfE", "-p", "tests.conftest", "-p", "no:cacheprovider", "-p", "no:xdist", folder,
        ],
        cwd=_REPOSITORY,
        env={**os.environ, "COLUMNS": "500"},
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip

    caught = dict(re.findall(r"(?:FAILED|ERROR) .*::test_that_(\w+)(?:\[\w+\])? - (.*)", run.stdout))
    assert set(caught) == {
        "leaves_a_task",
        "has_a_failing_callback",
        "blocks_the_loop_inside_our_code",
        "leaves_a_file_open",
        "hangs",
        "waits_for_ever",
        "lacks_its_marker",
    }, run.stdout
    assert "forgotten" in caught["leaves_a_task"]
    assert "time.sleep" in caught["blocks_the_loop_inside_our_code"]
