"""The verbs: what each is called, what it is for and which module does it.

A module gives a verb by holding a `Command` under the row's `attribute`. It is imported only when its verb is
called, so that no verb pays for another's imports.
"""

from dataclasses import dataclass
from importlib import import_module
from typing import Final

from meshsim.cli.command import Command


@dataclass(frozen=True, slots=True)
class Verb:
    """One row of the command line."""

    name: str
    module: str
    summary: str
    attribute: str = "COMMAND"
    is_argo: bool = False
    """A verb of Argo's kubectl plugin: it ends with the plugin's exit codes, 0 and 1."""

    def load(self) -> Command:
        """Import the module that does it."""
        command = getattr(import_module(self.module), self.attribute)
        if not isinstance(command, Command):
            raise TypeError(f"{self.module}.{self.attribute} is no Command")
        return command


@dataclass(frozen=True, slots=True)
class Plane:
    """A verb that becomes another process: `meshsim proxy` is `python -m meshsim.proxy`."""

    name: str
    module: str
    summary: str


GROUPS: Final[dict[str, tuple[Verb, ...]]] = {
    "Start here": (Verb("up", "meshsim.cli.up", "run the mesh on this machine and apply manifests to it"),),
    "Traffic": (Verb("load", "meshsim.cli.load", "send requests at a steady rate, counted by version"),),
}

PLANES: Final = (
    Plane("apiserver", "meshsim.apiserver", "the Kubernetes API and the dashboard"),
    Plane("controller", "controller", "the rollout controller"),
    Plane("node", "meshsim.runtime", "the kubelet: runs pods, probes them, keeps endpoints"),
    Plane("proxy", "meshsim.proxy", "the data plane: splits requests as virtual services say"),
)

VERBS: Final = {verb.name: verb for verbs in GROUPS.values() for verb in verbs}
