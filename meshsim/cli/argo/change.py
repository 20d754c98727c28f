"""Verbs that change a release: promote, abort, retry, pause, restart, terminate, set image, undo."""

import argparse
import sys
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Final

from meshsim.api.decode import Object, decode
from meshsim.api.kinds import ANALYSIS_RUN, DEPLOYMENT, EXPERIMENT, POD_TEMPLATE, REPLICA_SET, ROLLOUT, Kind
from meshsim.api.meta import Key, LabelSelector
from meshsim.api.rollouts import Rollout
from meshsim.cli.argo import patches
from meshsim.cli.argo.template import is_part_of, restore_patch, revision_to_restore, template_of, with_image
from meshsim.cli.argo.words import add_common_flags, kind_word
from meshsim.cli.command import Command
from meshsim.cli.connection import ask, clock_of_api
from meshsim.client.api import Api, ApiError, ConflictError, PatchType
from meshsim.kit.durations import DurationError, parse_duration
from meshsim.kit.errors import ExitCode, MeshsimError, UsageError
from meshsim.kit.timestamps import to_rfc3339

_SET_IMAGE_TRIES: Final = 5

Work = Callable[[Api, argparse.Namespace], Awaitable[str]]
"""Does what the flags ask; returns what to print."""


def _command(add_flags: Callable[[argparse.ArgumentParser], None], work: Work, description: str = "") -> Command:
    def add_all_flags(parser: argparse.ArgumentParser) -> None:
        add_flags(parser)
        add_common_flags(parser)

    def run(flags: argparse.Namespace) -> int:
        sys.stdout.write(ask(flags, partial(_swapped, work, flags)))
        return ExitCode.DONE

    return Command(add_all_flags, run, description)


async def _swapped(work: Work, flags: argparse.Namespace, api: Api) -> str:
    return await work(api, flags)


def _rollout_name(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="ROLLOUT")


def _rollout_names(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("names", metavar="ROLLOUT", nargs="+")


async def _patch(api: Api, kind: Kind, key: Key, patch: Object) -> None:
    await api.patch(kind, key, patch, subresource="status" if "status" in patch and kind.has_status else "")


def _promote_flags(parser: argparse.ArgumentParser) -> None:
    _rollout_name(parser)
    parser.add_argument("--full", action="store_true", help="skip analysis, pauses and steps, once pods are available")
    parser.add_argument("-c", "--skip-current-step", action="store_true", help="deprecated: promote does so")
    parser.add_argument("-a", "--skip-all-steps", action="store_true", help="deprecated: use --full")


_DEPRECATED: Final = {
    "skip_current_step": "use without the flag instead ex: promote ROLLOUT_NAME",
    "skip_all_steps": "use --full instead",
}


async def _promote(api: Api, flags: argparse.Namespace) -> str:
    key = Key(flags.namespace, flags.name)
    for flag, instead in _DEPRECATED.items():
        if getattr(flags, flag):
            sys.stderr.write(f"Flag --{flag.replace('_', '-')} has been deprecated, {instead}\n")
    planned = patches.promote_patches(
        decode(Rollout, await api.get(ROLLOUT, key)),
        full=flags.full,
        skip_current_step=flags.skip_current_step,
        skip_all_steps=flags.skip_all_steps,
    )
    for patch in (planned.status, planned.spec):
        if patch is not None:
            await _patch(api, ROLLOUT, key, patch)
    return f"rollout '{flags.name}' {'fully ' if flags.full else ''}promoted\n"


async def _abort(api: Api, flags: argparse.Namespace) -> str:
    return await _patch_each(api, flags, ROLLOUT, patches.ABORT, "rollout '{}' aborted\n")


async def _pause(api: Api, flags: argparse.Namespace) -> str:
    return await _patch_each(api, flags, ROLLOUT, patches.PAUSE, "rollout '{}' paused\n")


def _retry_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("kind", metavar="rollout|experiment", type=kind_word(ROLLOUT, EXPERIMENT))
    parser.add_argument("names", metavar="NAME", nargs="+")


async def _retry(api: Api, flags: argparse.Namespace) -> str:
    patch = patches.RETRY if flags.kind is ROLLOUT else patches.RETRY_EXPERIMENT
    return await _patch_each(api, flags, flags.kind, patch, f"{flags.kind.singular} '{{}}' retried\n")


def _terminate_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("kind", metavar="analysisrun|experiment", type=kind_word(ANALYSIS_RUN, EXPERIMENT))
    parser.add_argument("names", metavar="NAME", nargs="+")


async def _terminate(api: Api, flags: argparse.Namespace) -> str:
    word = "analysisRun" if flags.kind is ANALYSIS_RUN else "experiment"
    return await _patch_each(api, flags, flags.kind, patches.TERMINATE, f"{word} '{{}}' terminated\n")


async def _patch_each(api: Api, flags: argparse.Namespace, kind: Kind, patch: Object, said: str) -> str:
    names: Sequence[str] = flags.names
    for name in names:
        await _patch(api, kind, Key(flags.namespace, name), patch)
        # At once: what comes after it may fail.
        sys.stdout.write(said.format(name))
    return ""


def _restart_flags(parser: argparse.ArgumentParser) -> None:
    _rollout_name(parser)
    parser.add_argument("-i", "--in", dest="delay", metavar="TIME", default="", help="how long from now: 30s, 5m, 1h")
    add_common_flags(parser)


def _restart(flags: argparse.Namespace) -> int:
    delay: str = flags.delay or "0s"
    try:
        at = clock_of_api(flags.kubeconfig).now() + parse_duration(delay)
    except DurationError as error:
        raise UsageError(f"--in: {error}") from None
    patch = {"spec": {"restartAt": to_rfc3339(at)}}
    ask(flags, partial(_patch, kind=ROLLOUT, key=Key(flags.namespace, flags.name), patch=patch))
    sys.stdout.write(f"rollout '{flags.name}' restarts in {delay}\n")
    return ExitCode.DONE


def _set_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", metavar="image", choices=["image"])
    _rollout_name(parser)
    parser.add_argument("image", metavar="CONTAINER=IMAGE", type=_image_of_container, help="* is every container")


def _image_of_container(text: str) -> tuple[str, str]:
    container, _, image = text.partition("=")
    if text.count("=") != 1:
        raise argparse.ArgumentTypeError(f'"{text}" is not CONTAINER=IMAGE')
    return container, image


async def _set_image(api: Api, flags: argparse.Namespace) -> str:
    container, image = flags.image
    for attempt in range(1, _SET_IMAGE_TRIES + 1):
        rollout = await api.get(ROLLOUT, Key(flags.namespace, flags.name))
        # Of a workload the plugin knows Deployments only.
        kind, key = _workload(rollout, (DEPLOYMENT,))
        workload = rollout if kind is ROLLOUT else await api.get(kind, key)
        try:
            await api.replace(kind, with_image(workload, container, image))
        except ConflictError:
            if attempt == _SET_IMAGE_TRIES:
                raise
        else:
            return f'{kind.singular} "{key.name}" image updated\n'
    raise AssertionError("unreachable")


def _undo_flags(parser: argparse.ArgumentParser) -> None:
    _rollout_name(parser)
    parser.add_argument(
        "--to-revision", type=int, default=0, metavar="N", help="the revision to go back to (default: the last one)"
    )


async def _undo(api: Api, flags: argparse.Namespace) -> str:
    rollout = await api.get(ROLLOUT, Key(flags.namespace, flags.name))
    selector = str(decode(LabelSelector, rollout["spec"].get("selector") or {}))
    listing = await api.list(REPLICA_SET, flags.namespace, selector=selector)
    uid = rollout["metadata"]["uid"]
    owned = [one for one in listing.items if _is_controlled_by(one, uid)]
    restored = template_of(revision_to_restore(flags.name, owned, flags.to_revision))
    if is_part_of(template_of(rollout), restored):
        return f"skipped rollback (current template already matches revision {flags.to_revision})"
    kind, key = _workload(rollout, (DEPLOYMENT, REPLICA_SET, POD_TEMPLATE))
    try:
        await api.patch(kind, key, restore_patch(restored), how=PatchType.JSON)
    except ApiError as error:
        raise MeshsimError(f"failed restoring revision {flags.to_revision}: {error}") from None
    return f"rollout '{flags.name}' undo\n"


def _workload(rollout: Object, kinds: Sequence[Kind]) -> tuple[Kind, Key]:
    """The object that holds the pod template: the rollout, or the workload it names, if it is one of those kinds."""
    namespace = rollout["metadata"]["namespace"]
    reference = rollout["spec"].get("workloadRef")
    if not reference:
        return ROLLOUT, Key(namespace, rollout["metadata"]["name"])
    kind = next((one for one in kinds if one.kind == reference.get("kind")), None)
    if kind is None:
        raise MeshsimError(f"workload of type {reference.get('kind')} is not supported")
    return kind, Key(namespace, str(reference.get("name") or ""))


def _is_controlled_by(obj: Object, uid: str) -> bool:
    owners = obj["metadata"].get("ownerReferences") or []
    return any(owner.get("uid") == uid and owner.get("controller") for owner in owners)


PROMOTE: Final = _command(
    _promote_flags,
    _promote,
    """\
Promote a rollout: end its pause, or skip the step it is at.

A rollout that doesn't pause loses its current step, whatever that is; --full sends all traffic to the new version as
soon as its pods are available, past every pause and analysis.""",
)
ABORT: Final = _command(_rollout_names, _abort)
RETRY: Final = _command(_retry_flags, _retry)
TERMINATE: Final = _command(_terminate_flags, _terminate)
PAUSE: Final = _command(_rollout_names, _pause)
RESTART: Final = Command(_restart_flags, _restart)
SET: Final = _command(_set_flags, _set_image)
UNDO: Final = _command(_undo_flags, _undo)
