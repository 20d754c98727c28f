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


_CHANGE: Final = "meshsim.cli.argo.change"

GROUPS: Final[dict[str, tuple[Verb, ...]]] = {
    "Start here": (
        Verb("demo", "meshsim.cli.demo", "a canary release with real traffic, in half a minute"),
        Verb("up", "meshsim.cli.up", "run the mesh on this machine and apply manifests to it"),
        Verb("ps", "meshsim.cli.ps", "the meshes that run here"),
        Verb("health", "meshsim.cli.health", "whether the planes that run here are well"),
    ),
    "Releases, as in Argo's kubectl plugin": (
        Verb("get", "meshsim.cli.get", "show a rollout and all that belongs to it, or any object", is_argo=True),
        Verb("list", "meshsim.cli.argo.listing", "list rollouts or experiments", is_argo=True),
        Verb("status", "meshsim.cli.argo.show", "wait for a rollout's end and say how it went", "STATUS", is_argo=True),
        Verb("set", _CHANGE, "set the image of a rollout: set image NAME CONTAINER=IMAGE", "SET", is_argo=True),
        Verb("promote", _CHANGE, "end a rollout's pause, or skip its step", "PROMOTE", is_argo=True),
        Verb("abort", _CHANGE, "send all traffic back to the stable version", "ABORT", is_argo=True),
        Verb("retry", _CHANGE, "try an aborted rollout again", "RETRY", is_argo=True),
        Verb("undo", _CHANGE, "go back to the version before", "UNDO", is_argo=True),
        Verb("pause", _CHANGE, "pause a rollout", "PAUSE", is_argo=True),
        Verb("restart", _CHANGE, "restart the pods of a rollout", "RESTART", is_argo=True),
        Verb("create", "meshsim.cli.argo.create", "start an analysis by hand, or create from files", is_argo=True),
        Verb("terminate", _CHANGE, "end an analysis run or an experiment", "TERMINATE", is_argo=True),
        Verb("version", "meshsim.cli.version", "print the version", is_argo=True),
    ),
    "Objects": (
        Verb("describe", "meshsim.cli.describe", "one object in full, with what happened to it"),
        Verb("apply", "meshsim.cli.apply", "make the API's objects what manifests say"),
        Verb("lint", "meshsim.cli.lint", "judge manifests as Istio, Argo and the API would"),
        Verb("events", "meshsim.cli.events", "what the controllers did"),
        Verb("logs", "meshsim.cli.logs", "what a pod printed: logs POD -f"),
        Verb("kubeconfig", "meshsim.cli.kubeconfig", "where the running API's kubeconfig is, for kubectl"),
    ),
    "Traffic": (
        Verb("load", "meshsim.cli.load", "send requests at a steady rate, counted by version"),
    ),
}  # fmt: skip

PLANES: Final = (
    Plane("apiserver", "meshsim.apiserver", "the Kubernetes API and the dashboard"),
    Plane("controller", "controller", "the rollout controller"),
    Plane("node", "meshsim.runtime", "the kubelet: runs pods, probes them, keeps endpoints"),
    Plane("proxy", "meshsim.proxy", "the data plane: splits requests as virtual services say"),
)

VERBS: Final = {verb.name: verb for verbs in GROUPS.values() for verb in verbs}
