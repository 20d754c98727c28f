"""Files of recorded answers, compressed or not."""

import json
import lzma
from pathlib import Path
from typing import Any


def read_recording(file: Path) -> dict[str, Any]:
    """The document in a file of JSON, which is compressed when its name ends in `.xz`."""
    data = file.read_bytes()
    document: dict[str, Any] = json.loads(lzma.decompress(data) if file.suffix == ".xz" else data)
    return document
