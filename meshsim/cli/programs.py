"""The short form of `meshsim up`: two versions of a program, and the manifests of a canary that releases the second.

Pure: commands and numbers in, objects and YAML out. What runs is always the manifests, so that a person may print
them, keep them and go on from there.
"""

import argparse
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import yaml

from meshsim.api.decode import Object
from meshsim.api.kinds import GATEWAY, ROLLOUT, SERVICE, VIRTUAL_SERVICE, Kind
from meshsim.cli.command import duration
from meshsim.kit.errors import UsageError

_PORT: Final = 8080
_ROUTE: Final = "primary"
_OWN_PORT: Final = "meshsim.dev/own-port"
_STEPS: Final = "10,30,50"
_FLAGS: Final = ("canary", "env", "ready", "steps", "pause", "replicas", "name", "print")


class Version(StrEnum):
    """Which of the two, and its tag."""

    STABLE = "stable"
    CANARY = "canary"


@dataclass(frozen=True, slots=True)
class Program:
    """One version: how it is called and its environment."""

    command: tuple[str, ...]
    environment: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Release:
    """A program, the version that is to follow it, and how."""

    stable: Program
    canary: Program | None
    directory: str
    """Where both are run."""
    name: str
    replicas: int
    ready_path: str
    """What a pod that is ready answers; without one it is ready when its port is open."""
    weights: tuple[int, ...]
    pause_s: float | None
    """Between steps; None waits for a person."""

    def manifests(self) -> list[Object]:
        """All that the stable version needs."""
        services = [self._service(name) for name in (self.name, self._named("stable"), self._named("canary"))]
        return [self._rollout(Version.STABLE, self.stable), *services, self._gateway(), self._virtual_service()]

    def canary_rollout(self) -> Object | None:
        """The Rollout whose pods run the canary: applied to a healthy release it begins the next."""
        return None if self.canary is None else self._rollout(Version.CANARY, self.canary)

    def _named(self, suffix: str) -> str:
        return f"{self.name}-{suffix}"

    def _rollout(self, version: Version, program: Program) -> Object:
        labels = {"app": self.name}
        canary: Object = {
            "canaryService": self._named("canary"),
            "stableService": self._named("stable"),
            "trafficRouting": {"istio": {"virtualService": {"name": self.name, "routes": [_ROUTE]}}},
            "steps": [step for weight in self.weights for step in ({"setWeight": weight}, {"pause": self._pause()})],
        }
        spec: Object = {
            "replicas": self.replicas,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": {**labels, "version": str(version)}, "annotations": {_OWN_PORT: "true"}},
                "spec": {"containers": [self._container(version, program)]},
            },
            "strategy": {"canary": canary},
        }
        return _object(ROLLOUT, self.name, spec)

    def _pause(self) -> Object:
        return (
            {}
            if self.pause_s is None
            else {"duration": f"{self.pause_s:g}s" if self.pause_s % 1 else int(self.pause_s)}
        )

    def _container(self, version: Version, program: Program) -> Object:
        container: dict[str, Any] = {
            "name": self.name,
            "image": f"{self.name}:{version}",
            "command": list(program.command),
            "workingDir": self.directory,
            "ports": [{"containerPort": _PORT}],
        }
        if program.environment:
            container["env"] = [{"name": name, "value": value} for name, value in program.environment.items()]
        get = (
            {"httpGet": {"path": self.ready_path, "port": _PORT}} if self.ready_path else {"tcpSocket": {"port": _PORT}}
        )
        return {**container, "readinessProbe": {**get, "periodSeconds": 1}}

    def _service(self, name: str) -> Object:
        port = {"name": "http", "port": 80, "targetPort": _PORT}
        return _object(SERVICE, name, {"selector": {"app": self.name}, "ports": [port]})

    def _gateway(self) -> Object:
        server = {"port": {"number": 80, "name": "http", "protocol": "HTTP"}, "hosts": ["*"]}
        return _object(GATEWAY, self.name, {"selector": {"istio": "ingressgateway"}, "servers": [server]})

    def _virtual_service(self) -> Object:
        route = [
            {"destination": {"host": self._named("stable")}, "weight": 100},
            {"destination": {"host": self._named("canary")}, "weight": 0},
        ]
        spec = {"hosts": ["*"], "gateways": [self.name], "http": [{"name": _ROUTE, "route": route}]}
        return _object(VIRTUAL_SERVICE, self.name, spec)


def _object(kind: Kind, name: str, spec: Object) -> Object:
    return {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": {"name": name}, "spec": spec}


def to_yaml(objects: Sequence[Object]) -> str:
    """The objects as a person would keep them in a file."""
    return "---\n".join(yaml.dump(one, Dumper=_Plain, sort_keys=False, width=120) for one in objects)


class _Plain(yaml.SafeDumper):
    """YAML without anchors: what occurs twice is written twice."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - PyYAML's signature
        return True


def add_program_flags(parser: argparse.ArgumentParser) -> None:
    """`--stable` and what goes with it."""
    group = parser.add_argument_group("your own program, without manifests")
    group.add_argument("--stable", metavar="COMMAND", help="run this program as pods; it listens at $PORT")
    group.add_argument("--canary", metavar="COMMAND", help="and release this one once the first is healthy")
    group.add_argument(
        "--env", metavar="[stable:|canary:]NAME=VALUE", action="append", default=None,
        help="set in the environment of both, or of one; may be repeated",
    )  # fmt: skip
    group.add_argument("--ready", metavar="PATH", help="a pod is ready when this answers (default: once $PORT is open)")
    group.add_argument("--steps", metavar="N,…", help="weights of the canary, in percent (default 10,30,50)")
    group.add_argument("--pause", metavar="TIME", type=duration, help="after each step (default: until `promote`)")
    group.add_argument("--replicas", metavar="N", type=int, help="pods (default 3)")
    group.add_argument("--name", help="of the Rollout, the Services and the VirtualService (default app)")
    group.add_argument(
        "--print", nargs="?", const="all", choices=["all", *Version],
        help="write the manifests that this makes, and run nothing: all, those to start with, or the canary's Rollout",
    )  # fmt: skip


def release_of(flags: argparse.Namespace, directory: str) -> Release | None:
    """What `--stable` and its companions say; None without them. Raises UsageError."""
    if flags.stable is None:
        lonely = next((name for name in _FLAGS if getattr(flags, name) is not None), None)
        if lonely is not None:
            raise UsageError(f"--{lonely} goes with --stable COMMAND")
        return None
    if flags.data_dir is not None or flags.files:
        raise UsageError("--stable makes manifests: write them to a file with --print, then -f and --data-dir work")
    if flags.ready is not None and not flags.ready.startswith("/"):
        raise UsageError(f'--ready "{flags.ready}" is not a path: it begins with /')
    environments = _environments(flags.env or [])
    stable = Program(_command("stable", flags.stable), environments[Version.STABLE])
    canary = None
    if flags.canary is not None or environments[Version.CANARY] != environments[Version.STABLE]:
        canary = Program(_command("canary", flags.canary or flags.stable), environments[Version.CANARY])
    if canary == stable:
        raise UsageError("--canary is the same program as --stable: let the command or --env canary:… differ")
    return Release(
        stable,
        canary,
        directory,
        name=flags.name or "app",
        replicas=3 if flags.replicas is None else flags.replicas,
        ready_path=flags.ready or "",
        weights=_weights(_STEPS if flags.steps is None else flags.steps),
        pause_s=flags.pause,
    )


def printed(release: Release, what: str) -> str:
    """What `--print` writes."""
    stable, canary = release.manifests(), release.canary_rollout()
    if what == Version.STABLE or (what == "all" and canary is None):
        return to_yaml(stable)
    if canary is None:
        raise UsageError("there is no canary to print: name it with --canary COMMAND or --env canary:NAME=VALUE")
    if what == Version.CANARY:
        return to_yaml([canary])
    return (
        "# To start with (`--print stable` writes these alone, for `meshsim up -f`).\n"
        f"{to_yaml(stable)}---\n"
        "# The canary: applied once the first is healthy (`--print canary` writes it alone, for `meshsim apply -f`).\n"
        f"{to_yaml([canary])}"
    )


def _command(flag: str, text: str) -> tuple[str, ...]:
    try:
        words = tuple(shlex.split(text))
    except ValueError as error:
        raise UsageError(f"--{flag} '{text}': {str(error).lower()}") from None
    if not words:
        raise UsageError(f"--{flag} names no program")
    return words


def _environments(texts: Sequence[str]) -> dict[Version, dict[str, str]]:
    environments: dict[Version, dict[str, str]] = {version: {} for version in Version}
    for text in texts:
        name, equals, value = text.partition("=")
        version, colon, rest = name.partition(":")
        versions = [version] if colon else list(Version)
        name = rest if colon else name
        if not (equals and name) or not set(versions) <= set(Version):
            raise UsageError(f'--env "{text}" is not NAME=VALUE, stable:NAME=VALUE or canary:NAME=VALUE')
        for one in versions:
            environments[Version(one)][name] = value
    return environments


def _weights(text: str) -> tuple[int, ...]:
    parts = [part.strip().removesuffix("%") for part in text.split(",")]
    if not all(part.isdecimal() and int(part) <= 100 for part in parts):
        raise UsageError(f'--steps "{text}" are not weights in percent, such as 10,30,50')
    return tuple(map(int, parts))
