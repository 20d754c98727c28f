"""`meshsim ps`: every mesh that runs here."""

import argparse
import sys
from collections.abc import Sequence
from typing import Final

from meshsim.cli.argo.paint import columns
from meshsim.cli.command import Command
from meshsim.cli.running import Running, running
from meshsim.kit.clock import ClockEpoch
from meshsim.kit.errors import ExitCode


def _run(_flags: argparse.Namespace) -> int:
    found = running()
    if found:
        sys.stdout.write(running_table(found))
    else:
        sys.stderr.write("No `meshsim up` is running.\n")
    return ExitCode.DONE


def running_table(found: Sequence[Running]) -> str:
    """One line a mesh."""
    rows = [("PID", "TRAFFIC", "API", "SPEED", "KUBECONFIG")]
    for one in found:
        speed = f"{ClockEpoch.from_text(one.clock).speed:g}"
        rows.append((str(one.pid), one.traffic, one.api, speed, one.kubeconfig))
    return columns(rows)


COMMAND: Final = Command(lambda _parser: None, _run)
