"""How Argo's verbs are spoken: which kind the second word names, and flags that several verbs share."""

import argparse
from collections.abc import Callable
from typing import Final

from meshsim.api.kinds import ANALYSIS_RUN, EXPERIMENT, ROLLOUT, Kind
from meshsim.cli.command import add_kubeconfig_flag, add_namespace_flag

_ALIASES: Final = {
    "rollout": ROLLOUT,
    "rollouts": ROLLOUT,
    "ro": ROLLOUT,
    "experiment": EXPERIMENT,
    "experiments": EXPERIMENT,
    "exp": EXPERIMENT,
    "analysisrun": ANALYSIS_RUN,
    "analysisruns": ANALYSIS_RUN,
    "ar": ANALYSIS_RUN,
}


def kind_word(*kinds: Kind) -> Callable[[str], Kind]:
    """An argparse type: one of these kinds by its name, plural or short name."""

    def parse(word: str) -> Kind:
        kind = _ALIASES.get(word)
        if kind not in kinds or kind is None:
            raise argparse.ArgumentTypeError(f'"{word}" is none of {", ".join(one.singular for one in kinds)}')
        return kind

    return parse


def add_common_flags(parser: argparse.ArgumentParser) -> None:
    """`-n` and `--kubeconfig`."""
    add_namespace_flag(parser)
    add_kubeconfig_flag(parser)


def add_watch_flag(parser: argparse.ArgumentParser, *, default: bool, about: str) -> None:
    """`-w/--watch`, also as `--watch=false`: the plugin's flags take a value after an equals sign only."""
    yes, no = [[f"{flag}={value}" for flag in ("-w", "--watch")] for value in ("true", "false")]
    parser.add_argument("-w", "--watch", *yes, action="store_true", default=default, help=about)
    parser.add_argument(*no, dest="watch", action="store_false", help=argparse.SUPPRESS)
