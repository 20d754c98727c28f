"""The API server's flags that say who gets in."""

import argparse
import re
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from meshsim.apiserver.access.wishes import Wishes
from meshsim.kit.errors import UsageError
from meshsim.kit.hosts import is_any, is_loopback
from meshsim.kit.state import state_dir

_HOST_NAME: Final = re.compile(r"[A-Za-z0-9_]([-.A-Za-z0-9_]{0,251}[A-Za-z0-9_])?")
_OURS: Final = ("localhost", "127.0.0.1", "::1")


def add_security_flags(parser: argparse.ArgumentParser) -> None:
    """Who the server is to clients, and who they are to it."""
    group = parser.add_argument_group("who gets in")
    group.add_argument(
        "--allowed-host",
        type=_host_name,
        action="append",
        default=[],
        metavar="NAME",
        help="another name that this machine is reached by, repeatable",
    )
    group.add_argument(
        "--advertise-host",
        type=_host_name,
        metavar="NAME",
        help="the name that the kubeconfig gives clients to reach it by (default: --host)",
    )
    group.add_argument(
        "--write-kubeconfig",
        type=Path,
        metavar="FILE",
        help="where to leave the kubeconfig (default: `kubeconfig` where the token is kept)",
    )
    group.add_argument(
        "--token-file", type=Path, metavar="FILE", help="the token to ask for, made if there is none (default: made)"
    )
    group.add_argument("--tls-cert-file", type=Path, metavar="FILE", help="a certificate, in PEM (default: made)")
    group.add_argument("--tls-private-key-file", type=Path, metavar="FILE", help="its key, in PEM")
    group.add_argument(
        "--insecure-http",
        action="store_true",
        help="no TLS, and everybody on this machine gets in; only on a loopback address",
    )
    group.add_argument(
        "--insecure-bind",
        action="store_true",
        help="show the dashboard without TLS and token to everybody who reaches --host, where that is not loopback",
    )


def check_security_flags(flags: argparse.Namespace) -> None:
    """Refuse what would let in others, or makes no sense. Raises UsageError."""
    if (flags.tls_cert_file is None) != (flags.tls_private_key_file is None):
        raise UsageError("--tls-cert-file and --tls-private-key-file go together")
    if flags.insecure_http and not is_loopback(flags.host):
        raise UsageError(
            f"--insecure-http lets in everybody who reaches {flags.host}, and this API starts programs; "
            "leave it out, or listen on 127.0.0.1"
        )


@contextmanager
def wishes_of(flags: argparse.Namespace) -> Iterator[Wishes]:
    """What the flags say of the server's credentials. Raises StartError.

    They are kept with the objects; without a place for those, with this user's state, by the port, so that clients
    go on when the server is started again. Who takes a free port finds a new one the next time.
    """
    if flags.data_dir is None and flags.port == 0:
        with TemporaryDirectory(prefix="meshsim-") as directory:
            yield _wishes(flags, Path(directory))
    else:
        yield _wishes(flags, flags.data_dir or state_dir() / f"apiserver-{flags.port}")


def _wishes(flags: argparse.Namespace, directory: Path) -> Wishes:
    own = () if is_any(flags.host) else (flags.host,)
    advertised = (flags.advertise_host,) if flags.advertise_host else ()
    names = dict.fromkeys((*_OURS, *own, *advertised, *flags.allowed_host))
    return Wishes(directory, tuple(names), flags.token_file, flags.tls_cert_file, flags.tls_private_key_file)


def _host_name(text: str) -> str:
    try:
        return str(ip_address(text))
    except ValueError:
        if not _HOST_NAME.fullmatch(text):
            raise argparse.ArgumentTypeError(f'"{text}" is not a host name') from None
        return text.lower()
