"""Images: nothing is pulled, but the names of some say that they couldn't be. Pure."""

import re
from typing import Final

_MISSING: Final = re.compile(r"(?<![a-z0-9])(?:does-?not-?exist|non-?existent|no-such)(?![a-z0-9])")
_BROKEN_TAG: Final = re.compile(r":(?:[^/:@]*[-_.])?error$")


def is_pullable(image: str) -> bool:
    """Whether a registry would have the image, going by its name.

    It wouldn't when the name says so in words of its own, `nonexistent`, `does-not-exist` or `no-such`, or when
    its tag is the word `error` or ends with it, as in `web:2.0-error`.
    """
    return not _MISSING.search(image) and not _BROKEN_TAG.search(image)
