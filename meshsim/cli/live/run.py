"""Runs the demo: chooses where it is shown, plays it, prints the closing report."""

import asyncio
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
import yaml
from rich.console import Console, Group

from meshsim.cli.live.closing import Closing, closing_lines, closing_table
from meshsim.cli.live.play import Play, Wishes
from meshsim.cli.live.recording import Recorder
from meshsim.cli.live.screen import LineScreen, LiveScreen, Screen
from meshsim.kit.errors import ExitCode

_FILE_WIDTH: Final = 160
_MIN_WIDTH: Final = 76
_MIN_HEIGHT: Final = 22
_TERMINATED: Final = 128 + signal.SIGTERM


@dataclass(frozen=True, slots=True)
class Showing:
    """How the demo is shown: `plain` lines on a terminal too, `output` table, json or yaml, a recording or none."""

    plain: bool = False
    output: str = "table"
    record: Path | None = None


def run_demo(wishes: Wishes, showing: Showing) -> int:
    """Play it; returns the exit code. Raises the MeshsimError that kept it from its end."""
    talk = Console(stderr=True)
    screen: Screen = LiveScreen(talk) if _can_draw(talk) and not showing.plain else LineScreen(talk)
    recorder = Recorder(screen) if showing.record else None
    try:
        with recorder or screen as shown:
            closing = asyncio.run(_play(wishes, shown))
    except asyncio.CancelledError:
        return _TERMINATED
    _report(closing, showing.output)
    if closing.is_good:
        talk.out(f"\nYour turn: meshsim up -f {wishes.example}", highlight=False)
    if recorder is not None and showing.record is not None:
        recorder.save(showing.record, Group("$ meshsim demo", "", closing_table(closing), *closing_lines(closing)))
    return ExitCode.DONE if closing.is_good else ExitCode.FAILED


def _can_draw(console: Console) -> bool:
    room = console.size
    return (
        console.is_terminal and not console.is_dumb_terminal and room.width >= _MIN_WIDTH and room.height >= _MIN_HEIGHT
    )


async def _play(wishes: Wishes, screen: Screen) -> Closing:
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    if task is not None:
        # Like Ctrl-C: the terminal is given back and the mesh ended before this process is.
        loop.add_signal_handler(signal.SIGTERM, task.cancel)
    return await Play(wishes, screen).run()


def _report(closing: Closing, form: str) -> None:
    match form:
        case "json":
            sys.stdout.write(msgspec.json.format(msgspec.json.encode(closing), indent=2).decode() + "\n")
        case "yaml":
            sys.stdout.write(yaml.safe_dump(msgspec.to_builtins(closing), sort_keys=False))
        case _:
            out = Console(width=None if sys.stdout.isatty() else _FILE_WIDTH, highlight=False)
            out.print(closing_table(closing), *closing_lines(closing), sep="\n")
