"""`list rollouts` and `list experiments`: a table, and with `-w` a line for every change that shows."""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from meshsim.api.analysis import Experiment
from meshsim.api.decode import Object, decode
from meshsim.api.kinds import EXPERIMENT, ROLLOUT, Kind
from meshsim.api.meta import Key, key_of
from meshsim.api.rollouts import Rollout
from meshsim.cli.argo.table import Row, experiment_table, rollout_row, rollout_table
from meshsim.cli.argo.words import add_common_flags, add_watch_flag, kind_word
from meshsim.cli.command import Command
from meshsim.cli.connection import ask, clock_of_api
from meshsim.cli.output import add_output_flag, write_objects
from meshsim.client.api import Api
from meshsim.client.informer import Change, Informer
from meshsim.kit.clock import Clock
from meshsim.kit.errors import ExitCode


def _add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("kind", metavar="rollouts|experiments", type=kind_word(ROLLOUT, EXPERIMENT))
    parser.add_argument("-A", "--all-namespaces", action="store_true", help="of all namespaces")
    parser.add_argument("--name", default="", help="only the rollout of this name")
    add_watch_flag(parser, default=False, about="print a line whenever a rollout changes")
    parser.add_argument("--timestamps", action="store_true", help="begin each line with the time")
    add_output_flag(parser)
    add_common_flags(parser)


def _run(flags: argparse.Namespace) -> int:
    listing = _Listing(
        kind=flags.kind,
        namespace=None if flags.all_namespaces else flags.namespace,
        name=flags.name,
        timestamps=flags.timestamps,
        clock=clock_of_api(flags.kubeconfig),
    )
    if flags.watch and flags.kind is ROLLOUT and not flags.output:
        ask(flags, listing.watch)
    else:
        items = ask(flags, listing.items)
        if flags.output:
            write_objects(sys.stdout, items, flags.output, one=False)
        elif items:
            sys.stdout.write(listing.table(items))
        else:
            sys.stderr.write("No resources found.\n")
    return ExitCode.DONE


@dataclass(frozen=True, slots=True)
class _Listing:
    """What is listed and how; no namespace is all of them."""

    kind: Kind
    namespace: str | None
    name: str
    timestamps: bool
    clock: Clock

    async def items(self, api: Api) -> list[Object]:
        """The objects as they are now."""
        found = await api.list(self.kind, self.namespace)
        return [one for one in found.items if self._is_wanted(key_of(one))]

    def table(self, items: Sequence[Object], *, with_header: bool = True) -> str:
        """The objects as lines."""
        in_all = self.namespace is None
        if self.kind is EXPERIMENT:
            typed = [decode(Experiment, one) for one in items]
            return experiment_table(typed, self.clock.now(), all_namespaces=in_all)
        return rollout_table(
            [decode(Rollout, one) for one in items],
            all_namespaces=in_all,
            timestamp=self.clock.now() if self.timestamps else None,
            with_header=with_header,
        )

    async def watch(self, api: Api) -> None:
        """Print the table, then every rollout that changes in a way that shows, until interrupted."""
        items = await self.items(api)
        sys.stdout.write(self.table(items))
        sys.stdout.flush()
        shown = {key_of(one): _row(one) for one in items}
        informer = Informer(api, self.kind, namespace=self.namespace)
        informer.on_change(partial(self._show_change, shown))
        await informer.run()

    def _show_change(self, shown: dict[Key, Row], change: Change) -> None:
        if change.new is None or not self._is_wanted(change.key):
            return
        row = _row(change.new)
        if shown.get(change.key) != row:
            sys.stdout.write(self.table([change.new], with_header=False))
            sys.stdout.flush()
        shown[change.key] = row

    def _is_wanted(self, key: Key) -> bool:
        return self.name in ("", key.name)


def _row(rollout: Object) -> Row:
    return rollout_row(decode(Rollout, rollout))


COMMAND: Final = Command(_add_flags, _run)
