"""`meshsim get`: a rollout as Argo's plugin shows it, and any object of any kind."""

import argparse
import difflib
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final

from meshsim.api.decode import Object, decode
from meshsim.api.kinds import EXPERIMENT, KINDS, POD, REPLICA_SET, ROLLOUT, SERVICE, VIRTUAL_SERVICE, Kind
from meshsim.api.meta import Key
from meshsim.api.rollouts import Rollout
from meshsim.cli.argo.paint import columns
from meshsim.cli.argo.pod_reason import pod_state
from meshsim.cli.argo.show import show_one
from meshsim.cli.argo.table import rollout_table
from meshsim.cli.argo.words import add_common_flags, add_watch_flag
from meshsim.cli.command import Command
from meshsim.cli.connection import ask, clock_of_api
from meshsim.cli.output import add_output_flag, write_objects
from meshsim.client.api import Api
from meshsim.kit.durations import human_duration
from meshsim.kit.errors import ExitCode, UsageError
from meshsim.kit.timestamps import from_rfc3339

_TREES: Final = (ROLLOUT, EXPERIMENT)
"""Kinds that are shown as a tree, with all that belongs to them, when one is named."""


def kind_by_word(word: str) -> Kind:
    """An argparse type: a kind by its name, plural, short name or plural with its group."""
    for kind in KINDS:
        if word.lower() in (kind.singular, kind.plural, kind.resource, *kind.short_names):
            return kind
    names = [name for kind in KINDS for name in (kind.singular, kind.plural)]
    close = difflib.get_close_matches(word.lower(), names, n=1)
    hint = f', did you mean "{close[0]}"?' if close else ""
    raise argparse.ArgumentTypeError(f'"{word}" is no kind that meshsim serves{hint}')


def _add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("kind", metavar="KIND", type=kind_by_word, help="rollout, pod, service, vs, …")
    parser.add_argument("name", metavar="NAME", nargs="?", help="one object; all of the kind without it")
    parser.add_argument("-A", "--all-namespaces", action="store_true", help="of all namespaces")
    parser.add_argument("-l", "--selector", default="", metavar="LABELS", help="only those with these labels: app=shop")
    add_watch_flag(parser, default=False, about="show a rollout or experiment again whenever it changes")
    parser.add_argument("--steps", action="store_true", help="list a rollout's steps, too, and how long a pause lasts")
    parser.add_argument(
        "--analyses",
        action="store_true",
        help="show what its analyses asked, what they were told, and why that passed or failed",
    )
    parser.add_argument("--no-color", action="store_true", help="without colours")
    parser.add_argument("--timeout-seconds", type=int, default=0, metavar="N", help="stop watching after N seconds")
    add_output_flag(parser)
    add_common_flags(parser)


def _run(flags: argparse.Namespace) -> int:
    if flags.name and flags.kind in _TREES and not flags.output:
        return show_one(flags, flags.kind)
    if flags.watch:
        raise UsageError("--watch is for one rollout or experiment: meshsim get rollout NAME -w")
    objects = ask(flags, partial(_objects, flags=flags))
    if flags.output:
        write_objects(sys.stdout, objects, flags.output, one=bool(flags.name))
    elif not objects:
        sys.stderr.write("No resources found.\n")
    else:
        sys.stdout.write(_table(flags, objects))
    return ExitCode.DONE


async def _objects(api: Api, flags: argparse.Namespace) -> list[Object]:
    kind: Kind = flags.kind
    if flags.name:
        return [await api.get(kind, Key(flags.namespace if kind.namespaced else "", flags.name))]
    namespace = None if flags.all_namespaces or not kind.namespaced else flags.namespace
    return (await api.list(kind, namespace, selector=flags.selector)).items


def _table(flags: argparse.Namespace, objects: Sequence[Object]) -> str:
    if flags.kind is ROLLOUT:
        return rollout_table([decode(Rollout, one) for one in objects], all_namespaces=flags.all_namespaces)
    names, cells = _COLUMNS.get(flags.kind, ((), lambda _: ()))
    now = clock_of_api(flags.kubeconfig).now()
    with_namespace = flags.all_namespaces and flags.kind.namespaced
    rows = [(*(("NAMESPACE",) if with_namespace else ()), "NAME", *names, "AGE")]
    for obj in objects:
        metadata = obj["metadata"]
        created = metadata.get("creationTimestamp")
        age = human_duration(now - from_rfc3339(created)) if created else "<unknown>"
        namespace = (metadata["namespace"],) if with_namespace else ()
        rows.append((*namespace, metadata["name"], *cells(obj), age))
    return columns(rows)


def _pod_cells(pod: Object) -> tuple[str, ...]:
    state = pod_state(pod)
    return state.ready, state.reason, str(state.restarts), (pod.get("status") or {}).get("podIP") or "<none>"


def _replica_set_cells(replica_set: Object) -> tuple[str, ...]:
    status = replica_set.get("status") or {}
    desired = (replica_set.get("spec") or {}).get("replicas", 1)
    return str(desired), str(status.get("replicas") or 0), str(status.get("readyReplicas") or 0)


def _service_cells(service: Object) -> tuple[str, ...]:
    spec = service.get("spec") or {}
    selector = ",".join(f"{name}={value}" for name, value in (spec.get("selector") or {}).items())
    ports = ",".join(f"{port.get('port')}/{port.get('protocol', 'TCP')}" for port in spec.get("ports") or [])
    return selector or "<none>", ports or "<none>"


def _virtual_service_cells(virtual_service: Object) -> tuple[str, ...]:
    spec = virtual_service.get("spec") or {}
    routes = [_route_text(route) for route in spec.get("http") or []]
    return ",".join(spec.get("hosts") or []), " ".join(routes)


def _route_text(route: Object) -> str:
    """`primary[shop-stable:66,shop-canary:34]`."""
    shares = []
    for split in route.get("route") or []:
        destination = split.get("destination") or {}
        subset = f"/{destination['subset']}" if destination.get("subset") else ""
        shares.append(f"{destination.get('host')}{subset}:{split.get('weight', 0)}")
    return f"{route.get('name') or ''}[{','.join(shares)}]"


_COLUMNS: Final[Mapping[Kind, tuple[tuple[str, ...], Callable[[Object], tuple[str, ...]]]]] = {
    POD: (("READY", "STATUS", "RESTARTS", "IP"), _pod_cells),
    REPLICA_SET: (("DESIRED", "CURRENT", "READY"), _replica_set_cells),
    SERVICE: (("SELECTOR", "PORT(S)"), _service_cells),
    VIRTUAL_SERVICE: (("HOSTS", "WEIGHTS"), _virtual_service_cells),
}
"""What a kind's table shows between name and age."""


COMMAND: Final = Command(
    _add_flags,
    _run,
    """\
Show objects of the running API: one rollout or experiment as a tree, as Argo's plugin does, others as a table.

  meshsim get rollout my-app -w
  meshsim get rollout my-app --analyses
  meshsim get pods
  meshsim get vs my-app -o yaml""",
)
