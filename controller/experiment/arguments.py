"""What an experiment puts into the arguments of its analyses."""

from collections.abc import Mapping
from typing import NamedTuple

from controller.analysis.arguments import substituted
from meshsim.api.analysis import Experiment
from meshsim.api.templates import UnresolvedError
from meshsim.api.validate.gotext import GoDurationError, nanoseconds
from meshsim.kit.timestamps import from_rfc3339, to_rfc3339


class Version(NamedTuple):
    """The ReplicaSet of one of an experiment's templates."""

    name: str
    pod_hash: str


def experiment_value(template: str, experiment: Experiment, versions: Mapping[str, Version]) -> str:
    """An argument's value with what is known of the experiment and its templates put in. Raises UnresolvedError."""
    values: dict[str, str] = {}
    status = experiment.status
    if status.available_at:
        available = from_rfc3339(status.available_at)
        values["experiment.availableAt"] = to_rfc3339(available)
        if experiment.spec.duration:
            values["experiment.finishedAt"] = to_rfc3339(available + _seconds(experiment.spec.duration))
    for name, version in versions.items():
        values[f"templates.{name}.podTemplateHash"] = version.pod_hash
        values[f"templates.{name}.replicaset.name"] = version.name
    return substituted(template, values)


def _seconds(duration: str) -> float:
    try:
        return nanoseconds(duration) / 1e9
    except GoDurationError as error:
        raise UnresolvedError(str(error)) from None
