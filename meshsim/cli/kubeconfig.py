"""`meshsim kubeconfig`: where the running API's kubeconfig is, for kubectl and other clients."""

import argparse
import sys
from typing import Final

from meshsim.cli.command import Command, add_kubeconfig_flag
from meshsim.cli.connection import kubeconfig_path
from meshsim.kit.errors import ExitCode, MeshsimError


def _add_flags(parser: argparse.ArgumentParser) -> None:
    add_kubeconfig_flag(parser)
    parser.add_argument("--raw", action="store_true", help="print its contents, not its path")


def _run(flags: argparse.Namespace) -> int:
    path = kubeconfig_path(flags.kubeconfig)
    try:
        sys.stdout.write(path.read_text(encoding="utf-8") if flags.raw else f"{path}\n")
    except OSError as error:
        raise MeshsimError(f"{path}: {error.strerror}") from None
    return ExitCode.DONE


COMMAND: Final = Command(
    _add_flags,
    _run,
    """\
Print the path of the running API's kubeconfig. Your own KUBECONFIG is neither read nor changed.

  export KUBECONFIG=$(meshsim kubeconfig)
  kubectl get rollouts""",
)
