"""Files that their owner alone may read: keys, tokens, what names them."""

import os
import tempfile
from pathlib import Path
from typing import Final

OWNER_ONLY: Final = 0o700
"""The mode of a directory of such files."""


def write_private(path: Path, content: bytes) -> None:
    """Put a file there, at once and whole. Raises OSError."""
    new = _new_file_beside(path, content)
    try:
        new.replace(path)
    except OSError:
        new.unlink()
        raise


def create_private(path: Path, content: bytes) -> bytes:
    """Put a file there unless there is one; returns what it holds. Of several at once, one succeeds. Raises OSError."""
    new = _new_file_beside(path, content)
    try:
        os.link(new, path)
    except FileExistsError:
        return path.read_bytes()
    finally:
        new.unlink()
    return content


def _new_file_beside(path: Path, content: bytes) -> Path:
    # mkstemp's files are their owner's alone.
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    new = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(descriptor)
    except OSError:
        new.unlink()
        raise
    return new
