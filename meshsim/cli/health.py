"""`meshsim health`: whether the planes of this machine, or of this container, are well."""

import argparse
import http.client
import ssl
import sys
from collections.abc import Iterable
from typing import Final, NamedTuple

from meshsim.cli.command import Command
from meshsim.kit.errors import ExitCode, MeshsimError

_TIMEOUT_S: Final = 3.0


class Page(NamedTuple):
    """Where a plane says whether it is well."""

    port: int
    path: str
    is_secure: bool = False


_PAGES: Final = {
    "apiserver": Page(6443, "/readyz", is_secure=True),
    "controller": Page(8090, "/healthz"),
    "node": Page(10250, "/healthz"),
    "proxy": Page(15020, "/healthz/ready"),
}


class UnhealthyError(MeshsimError):
    """A plane is not well."""


class Asked(NamedTuple):
    """A plane and the port that it is asked at."""

    name: str
    port: int

    def answer(self) -> int | None:
        """The status of its page; None where nobody listens. Raises UnhealthyError."""
        connection = self._connection()
        try:
            connection.request("GET", _PAGES[self.name].path)
            return connection.getresponse().status
        except ConnectionRefusedError:
            return None
        except (OSError, http.client.HTTPException) as error:
            raise UnhealthyError(f"the {self.name} at port {self.port} does not answer: {error}") from None
        finally:
            connection.close()

    def _connection(self) -> http.client.HTTPConnection:
        if not _PAGES[self.name].is_secure:
            return http.client.HTTPConnection("127.0.0.1", self.port, timeout=_TIMEOUT_S)
        # As a kubelet's probe: it sends nothing that an impostor could use, and need not know the authority.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=_TIMEOUT_S, context=context)


def _add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "planes",
        nargs="*",
        type=_asked,
        metavar="PLANE[=PORT]",
        help=f"who must be well: {', '.join(_PAGES)} (default: those that listen at their usual ports)",
    )


def _asked(text: str) -> Asked:
    name, equals, port = text.partition("=")
    if name not in _PAGES or (equals and not (port.isdecimal() and 0 < int(port) < 65536)):
        raise argparse.ArgumentTypeError(f'"{text}" is not one of {", ".join(_PAGES)}, nor one with its =PORT')
    return Asked(name, int(port or _PAGES[name].port))


def _run(flags: argparse.Namespace) -> int:
    if flags.planes:
        well = list(_all_well(flags.planes, must_listen=True))
    else:
        well = list(_all_well((Asked(name, page.port) for name, page in _PAGES.items()), must_listen=False))
        if not well:
            raise UnhealthyError("no plane listens here at its usual port; name one with its port, as node=10250")
    sys.stdout.write(f"healthy: {', '.join(well)}\n")
    return ExitCode.DONE


def _all_well(planes: Iterable[Asked], *, must_listen: bool) -> Iterable[str]:
    for asked in planes:
        status = asked.answer()
        if status == http.HTTPStatus.OK:
            yield asked.name
        elif status is not None:
            raise UnhealthyError(f"the {asked.name} at port {asked.port} is not ready: it answers {status}")
        elif must_listen:
            raise UnhealthyError(f"the {asked.name} does not listen at port {asked.port}")


COMMAND: Final = Command(
    _add_flags,
    _run,
    """\
Ask the planes that run on this machine, or in this container, whether they are well: the health check of the image.

  meshsim health
  meshsim health node proxy=25020""",
)
