"""Path normalisation, as far as a mesh's MeshConfig asks for it (Envoy's path_utility, RFC 3986)."""

import re
from collections.abc import Callable
from typing import Final

Normalise = Callable[[bytes], bytes]
"""A request target → the target that is matched and sent up."""

_SUSPECT: Final = re.compile(rb"[%\\#]|/\.")
_SUSPECT_OR_DOUBLE: Final = re.compile(rb"[%\\#]|/[./]")
_ESCAPE: Final = re.compile(rb"%([0-9a-fA-F]{2})")
_SLASH_ESCAPE: Final = re.compile(rb"%(?:2[fF]|5[cC])")
_SLASHES: Final = re.compile(rb"//+")
_UNRESERVED: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")


def without_fragment(target: bytes) -> bytes:
    """NONE: only the fragment is cut."""
    return target.partition(b"#")[0] if b"#" in target else target


def base(target: bytes) -> bytes:
    """BASE: dot segments resolved, backslashes turned, escapes of unreserved characters decoded."""
    if _SUSPECT.search(target) is None:
        return target
    path, query = _split(target)
    return _canonical(path) + query


def merge_slashes(target: bytes) -> bytes:
    """MERGE_SLASHES: BASE, then runs of slashes become one."""
    if _SUSPECT_OR_DOUBLE.search(target) is None:
        return target
    path, query = _split(target)
    return _SLASHES.sub(b"/", _canonical(path)) + query


def decode_and_merge_slashes(target: bytes) -> bytes:
    """DECODE_AND_MERGE_SLASHES: escaped slashes are decoded first."""
    path, query = _split(target)
    return merge_slashes(_SLASH_ESCAPE.sub(b"/", path) + query)


NORMALISATIONS: Final[dict[str, Normalise]] = {
    "NONE": without_fragment,
    "DEFAULT": base,
    "BASE": base,
    "MERGE_SLASHES": merge_slashes,
    "DECODE_AND_MERGE_SLASHES": decode_and_merge_slashes,
}


def _split(target: bytes) -> tuple[bytes, bytes]:
    path, mark, query = without_fragment(target).partition(b"?")
    return path, mark + query


def _canonical(path: bytes) -> bytes:
    path = _ESCAPE.sub(_decoded, path).replace(b"\\", b"/")
    if b"/." not in path:
        return path
    segments = path.split(b"/")[1:]
    kept: list[bytes] = []
    for segment in segments:
        if segment == b"..":
            if kept:
                kept.pop()
        elif segment != b".":
            kept.append(segment)
    if segments[-1] in (b".", b".."):
        kept.append(b"")
    return b"/" + b"/".join(kept)


def _decoded(escape: re.Match[bytes]) -> bytes:
    code = int(escape[1], 16)
    return bytes((code,)) if code in _UNRESERVED else escape[0]
