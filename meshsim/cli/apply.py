"""`meshsim apply`: makes the API's objects what the manifests say, as kubectl's client-side apply does."""

import argparse
import sys
from collections.abc import Mapping
from enum import StrEnum
from functools import partial
from typing import Any, Final

from meshsim.api.decode import Object, read_json, write_json
from meshsim.cli.command import Command, add_kubeconfig_flag, add_namespace_flag
from meshsim.cli.connection import ask
from meshsim.cli.manifests import Manifest, add_file_flag, read_manifests
from meshsim.client.api import Api, ApiError, ConflictError, NotFoundError, UnreachableError
from meshsim.kit.errors import ExitCode, InvalidManifestError

LAST_APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"


class Applied(StrEnum):
    """What applying did to an object."""

    CREATED = "created"
    CONFIGURED = "configured"
    UNCHANGED = "unchanged"


def last_applied(wanted: Object) -> str:
    """The annotation that remembers what was applied, so that a field left out the next time is removed."""
    return write_json(wanted).decode() + "\n"


def with_last_applied(wanted: Object) -> Object:
    """The object as it is created: what the manifest says, and the memory of it."""
    metadata = wanted["metadata"]
    annotations = {**(metadata.get("annotations") or {}), LAST_APPLIED: last_applied(wanted)}
    return {**wanted, "metadata": {**metadata, "annotations": annotations}}


def apply_patch(live: Object, wanted: Object) -> Object:
    """The merge patch that makes a live object what a manifest says, empty when it is that already.

    Fields that the manifest named when it was applied last and names no more are removed; fields it never named
    are left alone. A list is replaced whole unless it is the one applied last, with nothing but defaults added since.
    """
    before = _applied_before(live)
    patch = _changed(live, wanted, before)
    _merge_into(patch, _removed(before, wanted, live))
    patch.pop("apiVersion", None)
    patch.pop("kind", None)
    if patch or before != wanted:
        _merge_into(patch, {"metadata": {"annotations": {LAST_APPLIED: last_applied(wanted)}}})
    return patch


async def apply(api: Api, manifest: Manifest, *, keep_live: bool = False) -> Applied:
    """Create the object or patch the live one.

    With `keep_live` a manifest that is the one applied last leaves the object as it is, whatever became of it
    since. Raises InvalidManifestError with the place of what the API refuses, ConflictError or UnreachableError.
    """
    try:
        return await _apply(api, manifest, keep_live)
    except (UnreachableError, ConflictError):
        raise
    except ApiError as error:
        raise _refused(manifest, error) from None


async def _apply(api: Api, manifest: Manifest, keep_live: bool) -> Applied:
    try:
        live = await api.get(manifest.kind, manifest.key)
    except NotFoundError:
        # A manifest may be in any version that the API serves; it is created in the one it is stored in.
        stored = {"apiVersion": manifest.kind.api_version}
        await api.create(manifest.kind, with_last_applied(manifest.object) | stored)
        return Applied.CREATED
    if keep_live and _applied_before(live) == manifest.object:
        return Applied.UNCHANGED
    patch = apply_patch(live, manifest.object)
    if not patch:
        return Applied.UNCHANGED
    await api.patch(manifest.kind, manifest.key, patch)
    return Applied.CONFIGURED


def _refused(manifest: Manifest, error: ApiError) -> InvalidManifestError:
    causes = (error.status.get("details") or {}).get("causes") or []
    field = next((str(cause["field"]) for cause in causes if cause.get("field")), "")
    return InvalidManifestError(f"{manifest.where(field)}: {error}")


def _applied_before(live: Object) -> Object:
    text = ((live.get("metadata") or {}).get("annotations") or {}).get(LAST_APPLIED)
    before = read_json(text) if text else {}
    return before if isinstance(before, dict) else {}


def _changed(live: Mapping[str, Any], wanted: Mapping[str, Any], before: Mapping[str, Any]) -> Object:
    """The parts of `wanted` that the live object doesn't have."""
    patch: Object = {}
    for key, value in wanted.items():
        have, had = live.get(key), before.get(key, value)
        if isinstance(value, dict) and isinstance(have, dict):
            inner = _changed(have, value, had if isinstance(had, dict) else {})
            if inner:
                patch[key] = inner
        elif had != value or not _covers(have, value):
            patch[key] = value
    return patch


def _removed(before: Mapping[str, Any], wanted: Mapping[str, Any], live: Mapping[str, Any]) -> Object:
    """Nulls for the fields that were applied before, are wanted no more and are there still."""
    patch: Object = {}
    for key, value in before.items():
        if key not in live:
            continue
        if key not in wanted:
            patch[key] = None
        elif isinstance(value, dict) and isinstance(wanted[key], dict) and isinstance(live[key], dict):
            inner = _removed(value, wanted[key], live[key])
            if inner:
                patch[key] = inner
    return patch


def _covers(have: object, value: object) -> bool:
    """Whether a live value says all that a wanted one does."""
    if isinstance(value, dict):
        return isinstance(have, dict) and all(_covers(have.get(key), item) for key, item in value.items())
    if isinstance(value, list):
        return isinstance(have, list) and len(have) == len(value) and all(map(_covers, have, value))
    return have == value


def _merge_into(patch: Object, more: Object) -> None:
    for key, value in more.items():
        if isinstance(value, dict) and isinstance(patch.get(key), dict):
            _merge_into(patch[key], value)
        else:
            patch[key] = value


def _add_flags(parser: argparse.ArgumentParser) -> None:
    add_file_flag(parser, required=True)
    add_namespace_flag(parser)
    add_kubeconfig_flag(parser)


def _run(flags: argparse.Namespace) -> int:
    manifests = read_manifests(flags.files, flags.namespace)
    ask(flags, partial(_apply_all, manifests=manifests))
    return ExitCode.DONE


async def _apply_all(api: Api, manifests: list[Manifest]) -> None:
    for manifest in manifests:
        sys.stdout.write(f"{manifest.title} {await apply(api, manifest)}\n")


COMMAND: Final = Command(_add_flags, _run)
