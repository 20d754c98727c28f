"""Verbs that show a release: get rollout, get experiment, status."""

import argparse
import asyncio
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Final, TextIO

from meshsim.api.decode import Object, decode
from meshsim.api.kinds import ROLLOUT, Kind
from meshsim.api.meta import Key
from meshsim.api.progress import Phase, observed_phase
from meshsim.api.rollouts import Rollout
from meshsim.cli.argo.analyses import render_analyses
from meshsim.cli.argo.following import follow, look
from meshsim.cli.argo.paint import Paint
from meshsim.cli.argo.steps import render_steps
from meshsim.cli.argo.tree import render_experiment, render_rollout
from meshsim.cli.argo.views import Objects, experiment_view, rollout_view
from meshsim.cli.argo.words import add_common_flags, add_watch_flag
from meshsim.cli.command import Command, duration
from meshsim.cli.connection import ask, clock_of_api
from meshsim.client.api import Api, NotFoundError
from meshsim.client.informer import Informer
from meshsim.kit.clock import Clock
from meshsim.kit.errors import ExitCode, MeshsimError
from meshsim.kit.tasks import TaskOwner

_CLEAR_SCREEN: Final = "\x1b[H\x1b[2J\x1b[0;0H"
_DONE_PHASES: Final = ("Healthy", "Degraded")

Render = Callable[[Object, Objects], str]


@dataclass(frozen=True, slots=True)
class More:
    """What is shown besides the plugin's own output."""

    steps: bool = False
    analyses: bool = False


def show_one(flags: argparse.Namespace, kind: Kind) -> int:
    """`get rollout NAME` or `get experiment NAME`, once or until interrupted (`-w`)."""
    key = Key(flags.namespace, flags.name)
    paint = Paint(coloured=is_terminal(sys.stdout) and not flags.no_color)
    more = More(steps=flags.steps, analyses=flags.analyses)
    render = partial(rendered, kind, clock_of_api(flags.kubeconfig), paint, more)
    with _missing_in_the_singular(kind, key):
        if flags.watch:
            ask(flags, partial(_watch_one, kind=kind, key=key, render=render, timeout_s=flags.timeout_seconds or None))
        else:
            sys.stdout.write(render(*ask(flags, partial(look, kind=kind, key=key))))
    return ExitCode.DONE


@contextmanager
def _missing_in_the_singular(kind: Kind, key: Key) -> Iterator[None]:
    """The plugin looks into a cache of its own for what it shows, and that names a missing object by its kind."""
    try:
        yield
    except NotFoundError:
        raise MeshsimError(f'{kind.singular}.{kind.group} "{key.name}" not found') from None


def is_terminal(stream: TextIO) -> bool:
    """Whether escapes make sense there."""
    return stream.isatty() and os.environ.get("TERM") != "dumb" and not os.environ.get("NO_COLOR")


def rendered(kind: Kind, clock: Clock, paint: Paint, more: More, obj: Object, objects: Objects) -> str:
    """A rollout or an experiment as a tree, and what else is wanted below it."""
    now = clock.now()
    if kind is ROLLOUT:
        rollout = rollout_view(obj, objects)
        text = render_rollout(rollout, now, paint)
        text += render_steps(rollout.rollout, now, paint) if more.steps else ""
        return text + (render_analyses(rollout.all_runs, now, paint) if more.analyses else "")
    experiment = experiment_view(obj, objects)
    text = render_experiment(experiment, now, paint)
    return text + (render_analyses(experiment.all_runs, now, paint) if more.analyses else "")


async def _watch_one(api: Api, kind: Kind, key: Key, render: Render, timeout_s: float | None) -> None:
    clear = _CLEAR_SCREEN if sys.stdout.isatty() else ""
    last = ""

    def show(obj: Object, objects: Objects) -> bool:
        nonlocal last
        text = render(obj, objects)
        if text != last:
            sys.stdout.write(f"{clear}{text}" if clear else f"{text}\n")
            sys.stdout.flush()
        last = text
        return False

    try:
        async with asyncio.timeout(timeout_s):
            await follow(api, kind, key, show)
    except TimeoutError:
        return


def _status_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="ROLLOUT")
    add_watch_flag(parser, default=True, about="wait until it is Healthy or Degraded (the default)")
    parser.add_argument(
        "-t", "--timeout", type=duration, default=0.0, metavar="TIME", help="give up after (default: never)"
    )
    add_common_flags(parser)


def _status(flags: argparse.Namespace) -> int:
    key = Key(flags.namespace, flags.name)
    with _missing_in_the_singular(ROLLOUT, key):
        watch = partial(_await_phase, timeout_s=flags.timeout or None) if flags.watch else _phase
        phase = ask(flags, partial(watch, key=key))
    if not flags.watch:
        words = phase.phase if phase.phase in _DONE_PHASES else f"{phase.phase} - {phase.message}"
        sys.stdout.write(f"{words}\n")
    if phase.phase == "Degraded":
        raise MeshsimError(f"The rollout is in a degraded state with message: {phase.message}")
    if phase.phase != "Healthy" and flags.watch:
        raise MeshsimError("Rollout status watch exceeded timeout")
    return ExitCode.DONE


async def _phase(api: Api, key: Key) -> Phase:
    return observed_phase(decode(Rollout, await api.get(ROLLOUT, key)))


async def _await_phase(api: Api, key: Key, timeout_s: float | None) -> Phase:
    """Print every new phase until it is Healthy or Degraded or the time is over; returns the last one."""
    phase = await _phase(api, key)
    changed = asyncio.Event()
    informer = Informer(api, ROLLOUT, namespace=key.namespace)
    informer.on_change(lambda _: changed.set())
    said = ""
    try:
        async with asyncio.timeout(timeout_s), TaskOwner() as tasks:
            tasks.start(informer.run(), "informer of rollouts")
            while True:
                words = f"{phase.phase} - {phase.message}" if phase.message else phase.phase
                if words != said:
                    sys.stdout.write(f"{words}\n")
                    sys.stdout.flush()
                said = words
                if phase.phase in _DONE_PHASES:
                    break
                await changed.wait()
                changed.clear()
                seen = informer.get(key)
                phase = observed_phase(decode(Rollout, seen)) if seen is not None else phase
    except TimeoutError:
        pass
    return phase


STATUS: Final = Command(_status_flags, _status)
