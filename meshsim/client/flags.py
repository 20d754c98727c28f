"""The flags by which a plane is told its API."""

import argparse
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from meshsim.client.connection import Connection, Source
from meshsim.client.kubeconfig import Kubeconfig


def add_api_flags(parser: argparse.ArgumentParser) -> Any:
    """`--api` or `--kubeconfig`, one of which must be given; returns their group, to add other choices to."""
    group = parser.add_mutually_exclusive_group(required=True)
    group.add_argument("--api", type=api_url, metavar="URL", help="the API, where it asks nobody who they are")
    group.add_argument(
        "--kubeconfig", type=Path, metavar="FILE", help="the API, and how to sign in; the file may come later"
    )
    return group


def source_of(flags: argparse.Namespace) -> Source:
    """Where the connection comes from. Raises UsageError for a file that is there and is no kubeconfig."""
    if flags.kubeconfig is None:
        return Connection(flags.api)
    source = Kubeconfig(flags.kubeconfig)
    # It may still come: an API server that starts at the same time writes it.
    with suppress(OSError):
        source.read()
    return source


def api_url(text: str) -> str:
    """An argparse type: `http://host:port` or `https://…`, perhaps with a path in front of all others."""
    try:
        parts = urlsplit(text)
        is_one = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_one = False
    if not is_one or "@" in text or "?" in text or "#" in text:
        raise argparse.ArgumentTypeError(f'"{text}" is not the URL of an API, such as http://127.0.0.1:6443')
    return text.rstrip("/")
