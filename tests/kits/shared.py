"""Recordings of the real programs, which lie beside the repository and are not a part of it."""

import os
from pathlib import Path
from typing import Final

import pytest

_REPOSITORY: Final = Path(__file__).resolve().parents[2]


def shared(path: str) -> Path:
    """A file or folder beside the repository (`vectors/argo/pod-hash.json`), in $MESHSIM_SHARED or `../shared`.

    Where it is absent the test, or the module when this is called while it is imported, is skipped; the
    reason stands at the end of pytest's output.
    """
    found = Path(os.environ.get("MESHSIM_SHARED") or _REPOSITORY.parent / "shared") / path
    if not found.exists():
        pytest.skip(f"no recordings: {path} is neither in $MESHSIM_SHARED nor in ../shared", allow_module_level=True)
    return found
