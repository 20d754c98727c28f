"""`meshsim events`: what the controllers say they did."""

import argparse
import sys
from collections.abc import Iterable
from functools import partial
from typing import Final

from meshsim.api.decode import Object
from meshsim.api.kinds import EVENT
from meshsim.cli.argo.paint import columns
from meshsim.cli.argo.words import add_common_flags
from meshsim.cli.command import Command
from meshsim.cli.connection import ask, clock_of_api
from meshsim.cli.output import add_output_flag, write_objects
from meshsim.client.api import Api
from meshsim.kit.durations import human_duration
from meshsim.kit.errors import ExitCode
from meshsim.kit.timestamps import from_rfc3339


def _add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--for", dest="about", default="", metavar="KIND/NAME", help="only about it: rollout/my-app")
    add_output_flag(parser)
    add_common_flags(parser)


def _run(flags: argparse.Namespace) -> int:
    events = ask(flags, partial(_listed, namespace=flags.namespace))
    wanted = sorted((one for one in events if flags.about.lower() in ("", _about(one))), key=last_seen)
    if flags.output:
        write_objects(sys.stdout, wanted, flags.output, one=False)
    elif not wanted:
        sys.stderr.write("No events found.\n")
    else:
        sys.stdout.write(event_table(wanted, clock_of_api(flags.kubeconfig).now()))
    return ExitCode.DONE


async def _listed(api: Api, namespace: str) -> list[Object]:
    return (await api.list(EVENT, namespace)).items


def event_table(events: Iterable[Object], now: float) -> str:
    """Events as kubectl prints them."""
    rows = [("LAST SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE")]
    for event in events:
        seen = last_seen(event)
        age = human_duration(now - from_rfc3339(seen)) if seen else "<unknown>"
        message = str(event.get("message") or "").strip()
        rows.append((age, str(event.get("type") or ""), str(event.get("reason") or ""), _about(event), message))
    return columns(rows)


def _about(event: Object) -> str:
    about = event.get("involvedObject") or {}
    return f"{str(about.get('kind') or '').lower()}/{about.get('name') or ''}"


def last_seen(event: Object) -> str:
    """When it happened last, as the event says; empty when it doesn't."""
    stamps = (event.get("lastTimestamp"), event.get("eventTime"), event["metadata"].get("creationTimestamp"))
    return next((str(stamp) for stamp in stamps if stamp), "")


COMMAND: Final = Command(_add_flags, _run)
