"""`meshsim ps`: every mesh that runs here."""

import argparse
import json
import sys
from collections.abc import Sequence
from typing import Final

from meshsim.cli.argo.paint import columns
from meshsim.cli.command import Command
from meshsim.cli.running import Running, running
from meshsim.kit.clock import ClockEpoch
from meshsim.kit.errors import ExitCode


def _add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-o", "--output", choices=["json", "yaml"], help="print them as data")


def _run(flags: argparse.Namespace) -> int:
    found = running()
    if flags.output:
        sys.stdout.write(running_data(found, flags.output))
    elif found:
        sys.stdout.write(running_table(found))
    else:
        sys.stderr.write("No `meshsim up` is running.\n")
    return ExitCode.DONE


def running_data(found: Sequence[Running], output: str) -> str:
    """A list with an object a mesh, as JSON or YAML."""
    rows = [
        {"pid": one.pid, "traffic": one.traffic, "api": one.api, "speed": _speed(one), "kubeconfig": one.kubeconfig}
        for one in found
    ]
    if output == "json":
        return json.dumps(rows, indent=4) + "\n"
    import yaml  # noqa: PLC0415 - only this form needs it

    return yaml.safe_dump(rows, sort_keys=False, allow_unicode=True, width=10_000)


def running_table(found: Sequence[Running]) -> str:
    """One line a mesh."""
    rows = ((str(one.pid), one.traffic, one.api, f"{_speed(one):g}", one.kubeconfig) for one in found)
    return columns([("PID", "TRAFFIC", "API", "SPEED", "KUBECONFIG"), *rows])


def _speed(mesh: Running) -> float:
    return ClockEpoch.from_text(mesh.clock).speed


COMMAND: Final = Command(_add_flags, _run)
