"""`create analysisrun` starts an analysis by hand, from a template; `create -f` makes objects of Argo's kinds."""

import argparse
import sys
from collections.abc import Sequence
from functools import partial
from typing import Final

from meshsim.api.analysis import AnalysisTemplate, Argument
from meshsim.api.decode import Object, decode, encode
from meshsim.api.kinds import (
    ANALYSIS_RUN,
    ANALYSIS_TEMPLATE,
    CLUSTER_ANALYSIS_TEMPLATE,
    EXPERIMENT,
    ROLLOUT,
)
from meshsim.api.meta import Key
from meshsim.api.templates import UnresolvedError, merged_args
from meshsim.cli.argo.words import add_common_flags, kind_word
from meshsim.cli.command import Command
from meshsim.cli.connection import ask
from meshsim.cli.manifests import Manifest, read_manifests
from meshsim.client.api import Api
from meshsim.kit.errors import ExitCode, MeshsimError, UsageError

_KINDS: Final = (ROLLOUT, EXPERIMENT, ANALYSIS_RUN, ANALYSIS_TEMPLATE, CLUSTER_ANALYSIS_TEMPLATE)


def _add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", metavar="analysisrun", nargs="?", type=kind_word(ANALYSIS_RUN))
    parser.add_argument("-f", "--filename", action="append", default=[], metavar="FILE", help="objects to create")
    parser.add_argument("--from", dest="template", default="", metavar="NAME", help="an AnalysisTemplate of the API")
    parser.add_argument("--from-file", default="", metavar="FILE", help="an AnalysisTemplate in a file")
    parser.add_argument("--global", dest="is_global", action="store_true", help="NAME is a ClusterAnalysisTemplate")
    parser.add_argument("--name", default="", help="the run's name")
    parser.add_argument("--generate-name", default="", metavar="PREFIX", help="what the run's name begins with")
    parser.add_argument("-a", "--argument", action="append", default=[], metavar="NAME=VALUE", type=_argument)
    add_common_flags(parser)


def _argument(text: str) -> Argument:
    name, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError("arguments must be in the form NAME=VALUE")
    return Argument(name=name, value=value)


def _run(flags: argparse.Namespace) -> int:
    if flags.what is None and not flags.filename:
        raise UsageError("say what to create: analysisrun --from TEMPLATE, or -f FILE")
    if flags.what is not None and bool(flags.template) == bool(flags.from_file):
        raise MeshsimError("one of --from or --from-file must be specified")
    files = [flags.from_file] if flags.from_file else flags.filename
    manifests = read_manifests(files, flags.namespace) if files else []
    create = partial(_create_run, flags, manifests) if flags.what is not None else partial(_create_all, manifests)
    sys.stdout.write(ask(flags, create))
    return ExitCode.DONE


async def _create_all(manifests: Sequence[Manifest], api: Api) -> str:
    for manifest in manifests:
        if manifest.kind not in _KINDS:
            raise MeshsimError(f"{manifest.where()}: creates of {manifest.kind.group}/{manifest.kind} unsupported")
    said: list[str] = []
    for manifest in manifests:
        created = await api.create(manifest.kind, manifest.object)
        said.append(f"{manifest.kind.singular}.{manifest.kind.group}/{created['metadata']['name']} created\n")
    return "".join(said)


async def _create_run(flags: argparse.Namespace, manifests: Sequence[Manifest], api: Api) -> str:
    kind = CLUSTER_ANALYSIS_TEMPLATE if flags.is_global else ANALYSIS_TEMPLATE
    if manifests:
        template = manifests[0].object
    else:
        template = await api.get(kind, Key("" if flags.is_global else flags.namespace, flags.template))
    created = await api.create(ANALYSIS_RUN, run_of(template, flags))
    left_out = [one.template_name for one in decode(AnalysisTemplate, template).spec.templates]
    if left_out:
        sys.stderr.write(
            f"Warning: the run lacks the metrics of {', '.join(left_out)}: only a rollout or an experiment adds "
            "those of the templates that a template names.\n"
        )
    return f"analysisrun.argoproj.io/{created['metadata']['name']} created\n"


def run_of(template: Object, flags: argparse.Namespace) -> Object:
    """The run of a template with the arguments given. Raises MeshsimError for one that is missing."""
    typed = decode(AnalysisTemplate, template)
    try:
        args = merged_args(flags.argument, typed.spec.args)
    except UnresolvedError as error:
        raise MeshsimError(str(error)) from None
    spec = {name: value for name, value in (template.get("spec") or {}).items() if name != "templates"}
    name = {"name": flags.name} if flags.name else {"generateName": flags.generate_name or f"{typed.metadata.name}-"}
    return {
        "apiVersion": ANALYSIS_RUN.api_version,
        "kind": ANALYSIS_RUN.kind,
        "metadata": {**name, "namespace": flags.namespace},
        "spec": spec | ({"args": encode(args)} if args else {}),
    }


COMMAND: Final = Command(
    _add_flags,
    _run,
    """\
Start an analysis by hand, or create rollouts, experiments, analysis templates and runs from files.

  meshsim create analysisrun --from success-rate -a service=my-app-canary
  meshsim create -f experiment.yaml""",
)
