"""Integration tests of programs as containers: those that behave, and those that don't."""

import asyncio
import os
import resource
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing, contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
import pytest_asyncio

from meshsim.api.core import Pod
from meshsim.api.decode import decode
from meshsim.kit.clock import LoopClock
from meshsim.runtime.containers.containers import Exit, Sandbox
from meshsim.runtime.programs.process import ProcessContainer, ProcessRuntime
from tests.kits.eventually import eventually

pytestmark = pytest.mark.asyncio(loop_factories=["asyncio", "uvloop"])

Run = Callable[..., Any]


@pytest_asyncio.fixture
async def run() -> AsyncIterator[Run]:
    inherited = {"PATH": os.environ["PATH"], "TOKEN": "secret"}
    async with aclosing(ProcessRuntime(LoopClock(), inherited)) as runtime:

        async def run(*command: str, **container: Any) -> ProcessContainer:
            spec = {"containers": [{"name": "web", "command": list(command), **container}]}
            pod = decode(Pod, {"metadata": {"name": "web-1", "namespace": "default", "uid": "u"}, "spec": spec})
            return await runtime.start(pod, pod.spec.containers[0], Sandbox("127.0.0.1", {}))

        yield run


def python(code: str) -> tuple[str, ...]:
    return sys.executable, "-u", "-c", code


def printed(container: ProcessContainer) -> list[str]:
    return [line.text.decode() for line in container.log.lines()]


def is_alive(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def file_system_of(path: Path) -> str:
    """Its type, as `mount` tells it."""
    mounted = {Path(each.mountpoint): each.fstype for each in psutil.disk_partitions(all=True)}
    return next((mounted[place] for place in (path, *path.parents) if place in mounted), "")


@contextmanager
def no_more_descriptors() -> Iterator[None]:
    """This process can open nothing more."""
    lowest = os.dup(0)
    os.close(lowest)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize(("code", "why"), [(0, "Completed"), (3, "Error")])
async def test_a_program_that_exits_at_once_tells_its_code_and_what_it_printed(run: Run, code: int, why: str) -> None:
    container = await run(*python(f"import sys; print('out'); print('err', file=sys.stderr); sys.exit({code})"))
    ended = await container.wait()
    assert (ended, ended.why) == (Exit(code), why)
    assert printed(container) == ["out", "err"]


async def test_a_program_that_is_not_there_ends_before_it_begins(run: Run) -> None:
    container = await run("/bad-command")
    assert await container.wait() == Exit(128, "StartError", 'exec: "/bad-command": no such file or directory')
    await container.stop()
    container.kill()


async def test_a_directory_that_is_not_there_is_an_error_too(run: Run, tmp_path: Path) -> None:
    container = await run("true", workingDir=str(tmp_path / "nowhere"))
    assert (await container.wait()).why == "StartError"


async def test_a_program_that_no_pipe_is_left_for_has_ended_before_it_began(run: Run) -> None:
    await (await run("true")).wait()
    with no_more_descriptors():
        container = await run("true")
    assert await container.wait() == Exit(128, "StartError", "no pipe or terminal is to be had: Too many open files")
    assert await (await run("true")).wait() == Exit(0)


async def test_a_program_gets_its_environment_its_directory_and_no_secret(run: Run, tmp_path: Path) -> None:
    container = await run(
        *python("import os; print(os.getcwd()); print(os.environ['HOST'], os.environ['X'], 'TOKEN' in os.environ)"),
        workingDir=str(tmp_path),
        env=[{"name": "X", "value": "$(touch x); `id`"}],
    )
    await container.wait()
    assert printed(container) == [str(tmp_path), "127.0.0.1 $(touch x); `id` False"]
    assert os.listdir(tmp_path) == []


async def test_a_program_is_asked_to_stop_and_has_time_to(run: Run) -> None:
    container = await run(
        *python(
            "import signal,sys\nsignal.signal(15, lambda *_: (print('bye'), sys.exit(7)))\nprint('up')\nsignal.pause()"
        )
    )
    await eventually(lambda: printed(container) == ["up"])
    await container.stop()
    assert (await container.wait(), printed(container)) == (Exit(7), ["up", "bye"])


async def test_a_program_that_dies_of_a_signal_has_that_as_its_code(run: Run) -> None:
    container = await run("sleep", "60")
    await container.stop()
    assert await container.wait() == Exit(128 + signal.SIGTERM)


async def test_a_program_that_ignores_the_request_is_killed(run: Run) -> None:
    container = await run(
        *python("import signal\nsignal.signal(15, signal.SIG_IGN)\nprint('up')\nwhile 1: signal.pause()")
    )
    await eventually(lambda: printed(container) == ["up"])
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(container.stop(), 0.1)
    container.kill()
    assert await container.wait() == Exit(137)


async def test_what_a_program_forked_ends_with_it(run: Run) -> None:
    container = await run("sh", "-c", "sleep 60 & echo $!")
    await container.wait()
    (child,) = printed(container)
    await eventually(lambda: not is_alive(int(child)))


async def test_a_program_that_left_its_output_to_a_daemon_still_ends(run: Run) -> None:
    code = (
        "import os, subprocess\n"
        "print(subprocess.Popen(['env', '-i', 'sleep', '60'], env={'PATH': os.environ['PATH']},"
        " start_new_session=True).pid)"
    )
    container = await run(*python(code))
    assert await container.wait() == Exit(0)
    os.kill(int(printed(container)[0]), signal.SIGKILL)


async def test_a_daemon_ends_with_the_program_that_started_it(run: Run) -> None:
    code = "import subprocess; print(subprocess.Popen(['sleep', '60'], start_new_session=True).pid)"
    container = await run(*python(code))
    assert await container.wait() == Exit(0)
    daemon = int(printed(container)[0])
    await eventually(lambda: not is_alive(daemon))


async def test_a_program_that_prints_without_end_costs_no_more_than_a_megabyte(run: Run) -> None:
    container = await run(*python("import os\nwhile 1: os.write(1, b'x' * 1000 + b'\\n')"))

    def full() -> bool:
        return sum(len(line.text) for line in container.log.lines()) > 1024 * 1024 - 2000

    await eventually(full)
    assert sum(len(line.text) for line in container.log.lines()) <= 1024 * 1024
    container.kill()
    await container.wait()


async def test_a_program_that_prints_faster_than_anybody_reads_has_to_wait(run: Run) -> None:
    container = await run(
        *python(
            "import os, time\nend, total = time.monotonic() + 1, 0\n"
            "while time.monotonic() < end: total += os.write(1, b'x' * 999 + b'\\n')\n"
            "os.write(1, b'\\n%d\\n' % total)"
        )
    )
    assert await container.wait() == Exit(0)
    assert int(printed(container)[-1]) < 10 * 2**20


async def test_cpu_and_memory_are_measured_with_those_of_its_children(run: Run) -> None:
    burn = "import time\nend = time.process_time() + 0.3\nwhile time.process_time() < end: pass\ntime.sleep(60)"
    container = await run("sh", "-c", f'{sys.executable} -c "$0" & wait', burn)
    await eventually(lambda: container.usage().cpu_s >= 0.2 and container.usage().memory_bytes > 2**20)


async def test_a_program_that_uses_more_memory_than_it_may_is_killed(run: Run) -> None:
    hungry = python("data = bytearray(100 * 2**20)\nimport time; time.sleep(60)")
    container = await run(*hungry, resources={"limits": {"memory": "50Mi"}})
    assert await asyncio.wait_for(container.wait(), 10) == Exit(137, "OOMKilled")


BURN = "import time\nend = time.process_time() + {cpu_s}\nwhile time.process_time() < end: pass"


async def test_a_program_that_uses_more_cpu_than_its_limit_stands_still_in_between(run: Run) -> None:
    started = time.monotonic()
    container = await run(*python(BURN.format(cpu_s=0.3)), resources={"limits": {"cpu": "200m"}})
    assert await asyncio.wait_for(container.wait(), 30) == Exit(0)
    # A fifth of a core gives 0.3 s of CPU in 1.5 s, less what the first tenth of a second may use at once.
    assert time.monotonic() - started > 0.9
    assert container.usage().throttled_s > 0.0


async def test_a_program_that_stands_still_ends_when_it_is_told_to(run: Run) -> None:
    container = await run(*python("while True: pass"), resources={"limits": {"cpu": "50m"}})
    await eventually(lambda: container.usage().throttled_s > 0.0)
    await asyncio.wait_for(container.stop(), 10)
    container = await run(*python("while True: pass"), resources={"limits": {"cpu": "50m"}})
    await eventually(lambda: container.usage().throttled_s > 0.0)
    container.kill()
    assert await asyncio.wait_for(container.wait(), 10) == Exit(137)


async def test_a_program_within_its_limit_is_left_alone(run: Run) -> None:
    container = await run("sleep", "0.5", resources={"limits": {"cpu": "100m"}})
    await container.wait()
    assert container.usage().throttled_s == 0.0


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what a process reads and writes")
async def test_what_a_program_writes_is_counted(run: Run, tmp_path: Path) -> None:
    if file_system_of(tmp_path) == "tmpfs":
        pytest.skip("what is written to memory is no writing to the kernel")
    write = f"f = open({str(tmp_path / 'x')!r}, 'wb'); f.write(bytes(2**20)); f.flush(); import time; time.sleep(60)"
    container = await run(*python(write))

    def counted() -> bool:
        usage = container.usage()
        return usage.read_bytes is not None and (usage.written_bytes or 0) >= 2**20

    await eventually(counted)


async def test_a_command_runs_inside_and_tells_its_code(run: Run) -> None:
    container = await run("sleep", "60", env=[{"name": "CODE", "value": "5"}])
    assert await container.execute(["sh", "-c", "exit $CODE"]) == 5
    with pytest.raises(FileNotFoundError):
        await container.execute(["/bad-command"])
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(container.execute(["sleep", "60"]), 0.1)


async def test_nothing_is_left_once_the_runtime_is_closed() -> None:
    runtime = ProcessRuntime(LoopClock())
    spec = {"containers": [{"name": "web", "command": ["sh", "-c", "sleep 60 & sleep 60"]}]}
    pod = decode(Pod, {"metadata": {"name": "web-1"}, "spec": spec})
    started = [await runtime.start(pod, pod.spec.containers[0], Sandbox("127.0.0.1", {})) for _ in range(5)]
    family = [child.pid for each in started for child in psutil.Process(each.leader).children(recursive=True)]
    await runtime.aclose()
    await eventually(lambda: not any(map(is_alive, [*family, *(each.leader for each in started)])))
