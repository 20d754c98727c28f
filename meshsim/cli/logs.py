"""`meshsim logs`: what a container printed, as `kubectl logs` shows it."""

import argparse
import asyncio
import sys
from collections.abc import Mapping

from meshsim.api.meta import Key
from meshsim.cli.argo.words import add_common_flags
from meshsim.cli.command import Command, duration
from meshsim.cli.connection import connection_of, kubeconfig_path
from meshsim.client.connection import Connection
from meshsim.kit.errors import ExitCode


def _add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("pod", metavar="POD", help="the pod's name, or pod/NAME")
    parser.add_argument("-f", "--follow", action="store_true", help="go on with what it prints from now on")
    parser.add_argument("-c", "--container", default="", metavar="NAME", help="which, where the pod has several")
    parser.add_argument("-p", "--previous", action="store_true", help="the run before the last restart")
    parser.add_argument("--tail", type=_count, metavar="N", help="the last lines only (default: all that is kept)")
    parser.add_argument("--since", type=duration, metavar="TIME", help="not older than that")
    parser.add_argument("--timestamps", action="store_true", help="begin each line with its instant")
    add_common_flags(parser)


def _count(text: str) -> int:
    if not text.removeprefix("-").isdecimal() or int(text) < -1:
        raise argparse.ArgumentTypeError(f'"{text}" is no number of lines (-1 for all)')
    return int(text)


def options_of(flags: argparse.Namespace) -> dict[str, str]:
    """The flags in the words of the API's PodLogOptions; those at their default are left out."""
    options = {
        "container": flags.container,
        "follow": "true" if flags.follow else "",
        "previous": "true" if flags.previous else "",
        "timestamps": "true" if flags.timestamps else "",
        "tailLines": "" if flags.tail in (None, -1) else str(flags.tail),
        "sinceSeconds": "" if flags.since is None else str(max(1, round(flags.since))),
    }
    return {name: value for name, value in options.items() if value}


def _run(flags: argparse.Namespace) -> int:
    connection = connection_of(kubeconfig_path(flags.kubeconfig))
    pod = Key(flags.namespace, flags.pod.removeprefix("pod/"))
    asyncio.run(_copy(connection, pod, options_of(flags)))
    return ExitCode.DONE


async def _copy(connection: Connection, pod: Key, options: Mapping[str, str]) -> None:
    from meshsim.client.http import HttpApi  # noqa: PLC0415 - a quarter of a second, which a wrong flag needn't cost

    async with HttpApi(connection, user_agent="meshsim-cli") as api:
        async for piece in api.logs(pod, options):
            sys.stdout.buffer.write(piece)
            sys.stdout.buffer.flush()


COMMAND = Command(_add_flags, _run)
