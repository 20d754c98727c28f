"""Where this user's state is kept between commands."""

import os
from pathlib import Path

from meshsim.kit.errors import StartError


def state_dir() -> Path:
    """`$XDG_STATE_HOME/meshsim`, or its usual place below the home directory. Raises StartError without a home."""
    home = os.environ.get("XDG_STATE_HOME")
    if home:
        return Path(home) / "meshsim"
    try:
        return Path.home() / ".local" / "state" / "meshsim"
    except RuntimeError:
        raise StartError("this user has no home directory to keep state in; name one with XDG_STATE_HOME") from None
