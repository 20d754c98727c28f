"""Flags of the planes that `meshsim up` has too and passes on as they are."""

import argparse
from typing import Final, NamedTuple


class PassedOn(NamedTuple):
    """A plane's own flag; without a metavar it takes no value."""

    flag: str
    metavar: str | None
    about: str


PASSED_ON: Final[dict[str, tuple[PassedOn, ...]]] = {
    "apiserver": (
        PassedOn("--allowed-host", "NAME", "another name that this machine is reached by"),
        PassedOn("--insecure-bind", None, "let everybody who reaches --host see the dashboard"),
    ),
    "controller": (
        PassedOn("--argo-version", "VERSION", "whose rules for traffic to follow: 1.1, 1.2 or 1.10"),
        PassedOn("--instance-id", "ID", "handle only what has this in Argo's instance label"),
        PassedOn("--no-hazard-warnings", None, "emit no MeshsimHazard events"),
        PassedOn("--allow-metadata-addresses", None, "let analyses reach link-local and cloud metadata addresses"),
    ),
    "node": (
        PassedOn("--lag", "HOP=TIME,…", "pass changes on late: endpoints=3s,vs=2s"),
        PassedOn("--drain", "TIME", "real time that a terminating pod goes on serving"),
        PassedOn("--shared-address", None, "put all pods at 127.0.0.1, with ports of their own"),
    ),
    "proxy": (
        PassedOn("--lag", "HOP=TIME,…", "pass changes on late: endpoints=3s,vs=2s"),
        PassedOn("--access-log", "text|json", "say a line for each request"),
        PassedOn("--admin-host", "HOST", "address of the admin page (default: --host if loopback, else 127.0.0.1)"),
        PassedOn("--explain-headers", None, "answer with x-meshsim-version, -pod and -route"),
        PassedOn("--listen", "NUMBER=ADDR:PORT", "open another listener that has that number in the mesh"),
        PassedOn("--role", "ROLE", "gateway, sidecar or either"),
        PassedOn("--proxy-labels", "K=V,…", "the proxy's labels"),
        PassedOn("--mesh-config", "FILE", "Istio MeshConfig in YAML"),
        PassedOn("--header-timeout", "TIME", "for a request's head"),
        PassedOn("--body-timeout", "TIME", "for the next piece of a body, either side"),
        PassedOn("--idle-timeout", "TIME", "for the next request on a connection"),
        PassedOn("--connect-timeout", "TIME", "for a connection to a pod"),
        PassedOn("--response-timeout", "TIME", "for a response, on routes that name no timeout"),
        PassedOn("--drain-timeout", "TIME", "for requests in flight at the end (default 1500ms, 3s at most)"),
        PassedOn("--workers", "N", "processes on the same ports"),
        PassedOn("--max-connections", "N", "client connections"),
        PassedOn("--max-head-bytes", "N", "of a request"),
        PassedOn("--accept-http10", None, "serve HTTP/1.0 instead of answering 426"),
    ),
}


def add_passed_on_flags(parser: argparse.ArgumentParser) -> None:
    """The flags, in a group a plane; one that several planes have is there once."""
    known: set[str] = set()
    for plane, flags in PASSED_ON.items():
        group = parser.add_argument_group(f"passed on to the {plane}")
        for flag, metavar, about in flags:
            if flag in known:
                continue
            known.add(flag)
            if metavar is None:
                group.add_argument(flag, dest=flag, action="store_true", help=about)
            else:
                group.add_argument(flag, dest=flag, action="append", default=[], metavar=metavar, help=about)


def passed_on(flags: argparse.Namespace) -> dict[str, tuple[str, ...]]:
    """What each plane is given of what the person gave."""
    given = vars(flags)
    return {
        plane: tuple(part for flag, metavar, _ in own for part in _parts(flag, metavar, given[flag]))
        for plane, own in PASSED_ON.items()
    }


def _parts(flag: str, metavar: str | None, given: object) -> list[str]:
    if metavar is None:
        return [flag] if given else []
    assert isinstance(given, list)
    # In one word, so that a value may begin with a dash.
    return [f"{flag}={value}" for value in given]
