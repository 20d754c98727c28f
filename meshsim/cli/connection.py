"""Which API a verb talks to: `--kubeconfig`, MESHSIM_KUBECONFIG, or the running `meshsim up`.

Never the user's own KUBECONFIG: a canary in production must not be promoted by accident.
"""

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

import yaml

from meshsim.cli.running import Running, running
from meshsim.kit.errors import MeshsimError, UsageError

if TYPE_CHECKING:
    from meshsim.client.http import HttpApi

_VARIABLE: Final = "MESHSIM_KUBECONFIG"


class NothingRunsError(MeshsimError):
    """There is no API to talk to."""


def connect(flags: argparse.Namespace) -> "HttpApi":
    """A client of the API that the flags name; open it with `async with`."""
    from meshsim.client.http import HttpApi  # noqa: PLC0415 - a quarter of a second that a wrong flag needn't cost

    return HttpApi(api_url(kubeconfig_path(flags.kubeconfig)), user_agent="meshsim-cli")


def kubeconfig_path(named: str | None) -> Path:
    """The kubeconfig of the API to talk to. Raises NothingRunsError, or UsageError when there are several."""
    chosen = named or os.environ.get(_VARIABLE)
    return Path(chosen) if chosen else Path(_the_only_one(running()).kubeconfig)


def _the_only_one(candidates: list[Running]) -> Running:
    if not candidates:
        raise NothingRunsError(
            f"no `meshsim up` is running; start one, or name its kubeconfig with --kubeconfig or {_VARIABLE}"
        )
    if len(candidates) > 1:
        rows = "\n".join(f"  --kubeconfig {one.kubeconfig}   {one}" for one in candidates)
        raise UsageError(f"several `meshsim up` are running; say which one:\n{rows}")
    return candidates[0]


def api_url(kubeconfig: Path) -> str:
    """The server of a kubeconfig's current context. Raises UsageError when there is none."""
    try:
        content = yaml.safe_load(kubeconfig.read_text(encoding="utf-8"))
        contexts = {row["name"]: row["context"] for row in content["contexts"]}
        clusters = {row["name"]: row["cluster"] for row in content["clusters"]}
        url = clusters[contexts[content["current-context"]]["cluster"]]["server"]
    except OSError as error:
        raise UsageError(f"{kubeconfig}: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError, KeyError, TypeError):
        raise UsageError(f"{kubeconfig}: not a kubeconfig with a current context") from None
    return str(url)
