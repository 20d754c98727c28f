"""`meshsim kubeconfig`: where the running API's kubeconfig is, for kubectl and other clients."""

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import Final

from meshsim.cli.command import Command, add_kubeconfig_flag
from meshsim.cli.connection import kubeconfig_path
from meshsim.client.flags import api_url
from meshsim.client.kubeconfig import Kubeconfig, kubeconfig_of
from meshsim.kit.errors import ExitCode, MeshsimError, UsageError


def _add_flags(parser: argparse.ArgumentParser) -> None:
    add_kubeconfig_flag(parser)
    parser.add_argument("--raw", action="store_true", help="print its contents, not its path: they hold the token")
    parser.add_argument(
        "--server", type=api_url, metavar="URL", help="with --raw: where clients reach the API, if not where we do"
    )


def _run(flags: argparse.Namespace) -> int:
    path = kubeconfig_path(flags.kubeconfig)
    if flags.server and not flags.raw:
        raise UsageError("--server is of use with --raw only")
    try:
        sys.stdout.write(_contents(path, flags.server) if flags.raw else f"{path}\n")
    except OSError as error:
        raise MeshsimError(f"{path}: {error.strerror}") from None
    return ExitCode.DONE


def _contents(path: Path, server: str | None) -> str:
    if server is None:
        return path.read_text(encoding="utf-8")
    return kubeconfig_of(replace(Kubeconfig(path).read(), url=server))


COMMAND: Final = Command(
    _add_flags,
    _run,
    """\
Print the path of the running API's kubeconfig. Your own KUBECONFIG is neither read nor changed.

  export KUBECONFIG=$(meshsim kubeconfig)
  kubectl get rollouts""",
)
