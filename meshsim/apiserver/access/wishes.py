"""What a person may say of the credentials of the API server. Apart from what makes them, which is large."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a person says of the server's credentials; what is not given is made."""

    directory: Path
    """Where what is made is kept."""
    names: tuple[str, ...]
    """The host names and addresses that clients may reach the server by."""
    token_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
