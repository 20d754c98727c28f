"""Whether a ReplicaSet runs a rollout's present pod template, whatever its hash says.

Undoing a release copies the template from a ReplicaSet, where the API server has filled in its defaults: another
hash, and yet the same pods.
"""

from copy import deepcopy

from controller.rollout.affinity import without_injected
from controller.rollout.ephemeral import template_patch
from controller.rollout.hashing import go_json
from meshsim.api.decode import Object
from meshsim.api.loose import mapping
from meshsim.api.merge_patch import merge_patch
from meshsim.api.pod_defaults import fill_pod_spec
from meshsim.api.rollouts import HASH_LABEL, Rollout


def runs_template(replica_set: Object, rollout: Rollout) -> bool:
    """The ReplicaSet's pods are those that the rollout's template asks for, but for what the controller put in."""
    live = merge_patch(replica_set, template_patch(replica_set, None))["spec"]["template"]
    live_spec = mapping(live.get("spec"))
    live_spec = live_spec | {"affinity": without_injected(rollout, live_spec.get("affinity"))}
    desired_spec = deepcopy(mapping(rollout.spec.template.get("spec")))
    fill_pod_spec(desired_spec)
    return _comparable(live, live_spec) == _comparable(rollout.spec.template, desired_spec)


def _comparable(template: Object, spec: Object) -> str:
    metadata = mapping(template.get("metadata"))
    labels = {name: value for name, value in mapping(metadata.get("labels")).items() if name != HASH_LABEL}
    # Deprecated: it says what serviceAccountName says, and is filled in for some only.
    spec = {name: value for name, value in spec.items() if name != "serviceAccount"}
    return go_json({"metadata": metadata | {"labels": labels}, "spec": spec}, "PodTemplateSpec")
