"""Translates recorded calls of Argo's replica arithmetic; production code decides."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, Final

from controller.rollout import replicas
from controller.rollout.versions import Version
from meshsim.api.decode import decode
from meshsim.api.progress import current_set_weight
from meshsim.api.rollouts import ReplicaProgressThreshold, Rollout, TrafficWeights
from tests.conformance.cases import Case

In = Mapping[str, Any]


def cases_of(document: Mapping[str, Any]) -> Iterator[Case]:
    """Every recorded call."""
    for number, case in enumerate(document["cases"]):
        name = case.get("test") or case["function"]
        yield Case(f"{name}#{number}", partial(case.__getitem__, "out"), partial(_decided, case))


def _decided(case: In) -> object:
    return _CALLS[case["function"]](case["in"])


def version(given: In | None) -> Version | None:
    """A ReplicaSet of a recording."""
    if given is None:
        return None
    return Version(
        obj={"metadata": {"name": given["name"]}, "spec": {}},
        name=given["name"],
        hash=given["podHash"],
        replicas=1 if given["specReplicas"] is None else given["specReplicas"],
        created=0.0,
        current=given.get("statusReplicas") or 0,
        available=given["availableReplicas"],
    )


def rollout(given: In) -> Rollout:
    """A Rollout of a recording."""
    return decode(Rollout, {"metadata": {}, **given})


def _weights(given: In | None) -> TrafficWeights | None:
    return None if given is None else decode(TrafficWeights, given)


def _basic(given: In) -> object:
    others = [version(one) for one in given["oldRSs"]]
    return replicas.basic_counts(
        rollout(given["rollout"]), version(given["newRS"]), version(given["stableRS"]), others
    )._asdict()


def _routed(given: In) -> object:
    return replicas.routed_counts(
        rollout(given["rollout"]), version(given["newRS"]), version(given["stableRS"]), _weights(given["weights"])
    )._asdict()


def _approximated(given: In) -> object:
    return replicas.approximate_counts(
        given["specReplicas"], given["weight"], given["maxWeight"], given["maxSurge"]
    )._asdict()


def _at_desired(given: In) -> object:
    at = replicas.at_desired_counts(
        rollout(given["rollout"]),
        version(given["newRS"]),
        version(given["stableRS"]),
        [version(one) for one in given["olderRSs"]],
        _weights(given["weights"]),
    )
    return {"at": at}


def _threshold(given: In) -> object:
    threshold = None if given["threshold"] is None else decode(ReplicaProgressThreshold, given["threshold"])
    return {"met": replicas.threshold_met(threshold, version(given["rs"]), given["desired"])}


def _new_version(given: In) -> object:
    versions = [one for one in map(version, given["allRSs"]) if one is not None]
    try:
        count = replicas.new_version_replicas(
            rollout(given["rollout"]), version(given["newRS"]), versions, _weights(given["weights"])
        )
    except ValueError as error:
        return {"error": str(error), "replicas": 0}
    return {"error": None, "replicas": count}


def _replicas_or_weight(given: In) -> object:
    count, weight = replicas.canary_replicas_or_weight(
        rollout(given["rollout"]), version(given["newRS"]), version(given["stableRS"])
    )
    return {"replicas": count, "weight": weight}


def _desired_weight(given: In) -> object:
    weight = replicas.desired_canary_weight(
        rollout(given["rollout"]), version(given["newRS"]), version(given["stableRS"])
    )
    return {"weight": weight}


def _scale_down(given: In) -> object:
    ignored = given["ignoreAvailability"]
    return {"replicas": replicas.replicas_for_scale_down(version(given["rs"]), ignore_availability=ignored)}


_CALLS: Final[Mapping[str, Callable[[In], object]]] = {
    "CalculateReplicaCountsForBasicCanary": _basic,
    "CalculateReplicaCountsForTrafficRoutedCanary": _routed,
    "approximateWeightedCanaryStableReplicaCounts": _approximated,
    "AtDesiredReplicaCountsForCanary": _at_desired,
    "ReplicaProgressThresholdMet": _threshold,
    "NewRSNewReplicas": _new_version,
    "GetCanaryReplicasOrWeight": _replicas_or_weight,
    "GetDesiredCanaryWeight": _desired_weight,
    "GetReplicasForScaleDown": _scale_down,
    "GetCurrentSetWeight": lambda given: {"weight": current_set_weight(rollout(given["rollout"]))},
    "MaxSurge": lambda given: {"value": replicas.max_surge(rollout(given["rollout"]))},
    "MaxUnavailable": lambda given: {"value": replicas.max_unavailable(rollout(given["rollout"]))},
    "trafficWeightToReplicas": lambda given: {
        "replicas": replicas.weight_to_replicas(given["weight"], given["replicas"], given["maxWeight"])
    },
}
